// SPDX-License-Identifier: Apache-2.0
// Normalization and affine map of one word of channels per cycle.
//
//   xhat = sat16(rhu((N x - S) r, 6 + half)),   q_o = sat8(rhu(xhat gamma + beta, shift))
//
// x, S, r and half come with valid_i; gamma, beta and shift of the same word NORM_AFFINE_LATENCY cycles later.
//
// Reference: peritus.reference.layernorm. Latency: NORM_LANES_LATENCY. Registers hold while not valid.

module norm_lanes
  import latency_pkg::*;
#(
  parameter  int unsigned Lanes = 8,
  parameter  int unsigned MaxWidth = 1024,
  localparam int unsigned SumW = 16 + $clog2(MaxWidth),
  localparam int unsigned WidthW = $clog2(MaxWidth + 1)
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic [WidthW-1:0]       width_i,
  input  logic                    valid_i,
  input  logic [Lanes-1:0][15:0]  x_i,      // signed
  input  logic signed [SumW-1:0]  sum_i,
  input  logic [15:0]             r_i,
  input  logic [4:0]              half_i,
  input  logic [Lanes-1:0][15:0]  gamma_i,  // signed
  input  logic [Lanes-1:0][31:0]  beta_i,   // signed
  input  logic [Lanes-1:0][7:0]   shift_i,
  output logic                    valid_o,
  output logic [Lanes-1:0][7:0]   q_o       // signed
);

  localparam int unsigned CENTERED_W = SumW + 1;  // |N x - S| < 2^SumW

  // N x - S
  logic signed [SumW-1:0]       scaled_q [Lanes];
  logic signed [SumW-1:0]       sum_q;
  logic [15:0]                  r_q;
  logic [4:0]                   half_q;
  logic signed [CENTERED_W-1:0] centered_q [Lanes];
  logic [15:0]                  multiplier_q [Lanes];
  logic [5:0]                   norm_shift_q [Lanes];
  logic [1:0]                   valid_q;

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      for (int l = 0; l < int'(Lanes); l++) begin
        scaled_q[l] <= SumW'(signed'(x_i[l])) * SumW'(signed'({1'b0, width_i}));
      end
      sum_q  <= sum_i;
      r_q    <= r_i;
      half_q <= half_i;
    end
    if (valid_q[0]) begin
      for (int l = 0; l < int'(Lanes); l++) begin
        centered_q[l]   <= CENTERED_W'(scaled_q[l]) - CENTERED_W'(sum_q);
        multiplier_q[l] <= r_q;
        norm_shift_q[l] <= 6'd6 + 6'(half_q);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    valid_q <= {valid_q[0], valid_i};
    if (!rst_ni) valid_q <= '0;
  end

  logic               xhat_valid;
  logic signed [15:0] xhat [Lanes];

  requantize #(
    .Lanes(Lanes),
    .InW  (CENTERED_W),
    .OutW (16)
  ) u_normalize (
    .clk_i,
    .rst_ni,
    .valid_i     (valid_q[1]),
    .value_i     (centered_q),
    .multiplier_i(multiplier_q),
    .shift_i     (norm_shift_q),
    .valid_o     (xhat_valid),
    .value_o     (xhat)
  );

  // xhat gamma + beta
  logic signed [31:0]     product_q [Lanes];
  logic [Lanes-1:0][31:0] beta_q;
  logic [5:0]             shift_q [Lanes], affine_shift_q [Lanes];
  logic signed [32:0]     affine_q [Lanes];
  logic [1:0]             affine_valid_q;

  always_ff @(posedge clk_i) begin
    if (xhat_valid) begin
      for (int l = 0; l < int'(Lanes); l++) begin
        product_q[l] <= 32'(xhat[l]) * 32'(signed'(gamma_i[l]));
        shift_q[l]   <= shift_i[l][5:0];
      end
      beta_q <= beta_i;
    end
    if (affine_valid_q[0]) begin
      for (int l = 0; l < int'(Lanes); l++) begin
        affine_q[l] <= 33'(product_q[l]) + 33'(signed'(beta_q[l]));
      end
      affine_shift_q <= shift_q;
    end
  end

  always_ff @(posedge clk_i) begin
    affine_valid_q <= {affine_valid_q[0], xhat_valid};
    if (!rst_ni) affine_valid_q <= '0;
  end

  logic signed [7:0] q [Lanes];

  round_shift #(
    .Lanes(Lanes),
    .InW  (33),
    .OutW (8)
  ) u_round (
    .clk_i,
    .rst_ni,
    .valid_i(affine_valid_q[1]),
    .value_i(affine_q),
    .shift_i(affine_shift_q),
    .valid_o,
    .value_o(q)
  );

  always_comb begin
    for (int l = 0; l < int'(Lanes); l++) q_o[l] = q[l];
  end

endmodule
