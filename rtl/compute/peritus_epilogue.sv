// SPDX-License-Identifier: Apache-2.0
// From complete sums to requantized results, PN lanes per cycle.
//
//   y = sat24(rhu((acc + bias) * m1, s1));  g = function(y);  z = sat16(rhu(g * m, s))
//   (m, s) = NONE: (1, 0) | CHANNEL: (m2[n], s2[n]) | SCORE: (score, shift2) | RECIP: (mantissa, shift + shift2)
//
// Reference: peritus.reference.requantize, peritus.reference.activation. Parameters belong to an output word and change
// with its first complete sum, at every stage as that sum passes: parameters have reached the lanes when
// params_taken_o pulses. Latency: AT_RESULT - AT_TOTAL cycles from total_i to z_o.

`default_nettype none

module peritus_epilogue
  import peritus_pkg::*;
  import peritus_core_pkg::*;
  import peritus_latency_pkg::*;
  import peritus_pipeline_pkg::*;
(
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  param_block_t            params_i,
  output logic                    params_taken_o,
  input  token_t                  token_i,      // two cycles ahead of total_i
  input  logic signed [ACC_W-1:0] total_i [PN],
  input  logic [15:0]             mantissa_i,   // reciprocal of the row sum, at stage 2
  input  logic [5:0]              recip_shift_i,
  output token_t                  early_token_o,  // three cycles ahead of z_o
  output token_t                  next_token_o,   // one cycle
  output token_t                  token_o,
  output logic signed [15:0]      z_o [PN]
);

  // Complete sums only; token_q[i] is the token at stage AT_SUM + i.
  localparam int unsigned STAGES = AT_RESULT - AT_SUM + 1;
  localparam int unsigned STAGE2 = AT_STAGE2 - AT_SUM;
  token_t token_q[STAGES];

  always_ff @(posedge clk_i) begin
    token_q[0] <= token_i;
    token_q[0].valid <= token_i.valid && token_i.last_k;
    for (int i = 1; i < int'(STAGES); i++) token_q[i] <= token_q[i-1];
    if (!rst_ni) begin
      for (int i = 0; i < int'(STAGES); i++) token_q[i].valid <= 1'b0;
    end
  end

  // Parameters at bias, stage 1 and stage 2.
  logic signed [ACC_W-1:0] bias_q[PN];
  logic [15:0] mult1_q[PN], mult2_hold_q[PN], mult2_q[PN];
  logic [5:0] shift1_q[PN], shift2_hold_q[PN], shift2_q[PN];

  // Beside token_q: its row is the first of a pass. In registers, for each bit enables two thousand others or more.
  logic [STAGE2-2:0] first_q;
  logic change_bias, change_stage1, change_stage2;
  assign change_bias = first_q[0];
  assign change_stage1 = first_q[1];
  assign change_stage2 = first_q[STAGE2-2];
  assign params_taken_o = change_bias;

  always_ff @(posedge clk_i) begin
    first_q <= {first_q[STAGE2-3:0], token_i.valid && token_i.last_k && token_i.swap};
    if (!rst_ni) first_q <= '0;
  end

  always_ff @(posedge clk_i) begin
    if (change_bias) begin
      for (int n = 0; n < int'(PN); n++) bias_q[n] <= ACC_W'(signed'(params_i.bias[n]));
    end
    if (change_stage1) begin
      for (int n = 0; n < int'(PN); n++) begin
        mult1_q[n] <= params_i.mult1[n];
        shift1_q[n] <= params_i.shift1[n][5:0];
        mult2_hold_q[n] <= params_i.mult2[n];
        shift2_hold_q[n] <= params_i.shift2[n][5:0];
      end
    end
    if (change_stage2) begin
      mult2_q <= mult2_hold_q;
      shift2_q <= shift2_hold_q;
    end
  end

  // Bias.
  logic signed [ACC_W-1:0] biased_q[PN];
  always_ff @(posedge clk_i) begin
    if (ALWAYS_LOAD || token_q[1].valid) begin
      for (int n = 0; n < int'(PN); n++) biased_q[n] <= total_i[n] + bias_q[n];
    end
  end

  // Stage 1 and the function.
  logic y_valid, g_valid;
  logic signed [23:0] y[PN], g[PN];

  peritus_requantize #(
    .Lanes(PN),
    .InW  (ACC_W),
    .OutW (24)
  ) u_stage1 (
    .clk_i,
    .rst_ni,
    .valid_i     (token_q[2].valid),
    .value_i     (biased_q),
    .multiplier_i(mult1_q),
    .shift_i     (shift1_q),
    .valid_o     (y_valid),
    .value_o     (y)
  );

  fn_e fn;
  assign fn = token_q[2+REQUANTIZE_LATENCY].fn;

  peritus_activation #(
    .Lanes(PN),
    .Width(24)
  ) u_activation (
    .clk_i,
    .rst_ni,
    .valid_i(y_valid),
    .relu_i (fn != FN_NONE),  // FN_RELU, FN_GELU
    .gelu_i (fn == FN_GELU),
    .y_i    (y),
    .valid_o(g_valid),
    .g_o    (g)
  );

  // Stage 2: its multiplier is chosen one cycle ahead.
  token_t select;
  logic signed [23:0] g_q[PN];
  logic [15:0] mult_q[PN];
  logic [5:0] shift_q[PN];
  logic z_valid;
  assign select = token_q[STAGE2-1];

  always_ff @(posedge clk_i) begin
    if (ALWAYS_LOAD || g_valid) begin
      for (int n = 0; n < int'(PN); n++) begin
        g_q[n] <= g[n];
        unique case (select.scale2)
          SCALE2_NONE: begin
            mult_q[n] <= 16'd1;
            shift_q[n] <= 6'd0;
          end
          SCALE2_CHANNEL: begin
            mult_q[n] <= mult2_q[n];
            shift_q[n] <= shift2_q[n];
          end
          SCALE2_SCORE: begin
            mult_q[n] <= select.score;
            shift_q[n] <= select.shift2;
          end
          default: begin
            mult_q[n] <= mantissa_i;
            shift_q[n] <= recip_shift_i + select.shift2;
          end
        endcase
      end
    end
  end

  peritus_requantize #(
    .Lanes(PN),
    .InW  (24),
    .OutW (16)
  ) u_stage2 (
    .clk_i,
    .rst_ni,
    .valid_i     (token_q[STAGE2].valid),
    .value_i     (g_q),
    .multiplier_i(mult_q),
    .shift_i     (shift_q),
    .valid_o     (z_valid),
    .value_o     (z_o)
  );

  assign early_token_o = token_q[STAGES-4];
  assign next_token_o = token_q[STAGES-2];
  assign token_o = token_q[STAGES-1];

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      assert (z_valid == token_o.valid)
      else $error("epilogue: side information and results are out of step");
    end
  end
`else
  logic unused_valid;
  assign unused_valid = z_valid;
`endif

endmodule

`default_nettype wire
