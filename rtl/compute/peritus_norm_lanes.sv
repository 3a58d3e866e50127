// SPDX-License-Identifier: Apache-2.0
// Normalization and affine map of one word of channels per cycle.
//
//   xhat = sat16(rhu((N x - S) r, 6 + half)),   q_o = sat8(rhu(xhat gamma + beta, shift))
//
// x, S, r and half come with valid_i; gamma, beta and shift of the same word NORM_AFFINE_LATENCY cycles later.
//
// Reference: peritus.reference.layernorm. Latency: NORM_LANES_LATENCY. Registers hold while not valid, unless ALWAYS_LOAD.

`default_nettype none

module peritus_norm_lanes
  import peritus_pipeline_pkg::*;
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

  localparam int unsigned FACTOR_W = $clog2(MaxWidth) + 16;  // N r
  localparam int unsigned NORMAL_W = SumW + 1 + 16;  // |(N x - S) r| < 2^(SumW + 16)

  // (N x - S) r = x (N r) - S r: two multipliers for all lanes, and one per lane.
  logic [FACTOR_W-1:0] factor_q, factor_operand_q;
  logic signed [NORMAL_W-1:0] offset_q, offset_operand_q, offset_product_q;
  logic [Lanes-1:0][15:0] x_q;
  logic signed [15:0] x_operand_q[Lanes];
  logic signed [NORMAL_W-1:0] scaled_q[Lanes], centered_q[Lanes];
  logic [4:0] half_q[3];
  logic [5:0] norm_shift_q[Lanes];
  logic [3:0] valid_q;

  always_ff @(posedge clk_i) begin
    if (ALWAYS_LOAD || valid_i) begin
      factor_q  <= FACTOR_W'(width_i) * FACTOR_W'(r_i);
      offset_q  <= NORMAL_W'(sum_i) * NORMAL_W'(signed'({1'b0, r_i}));
      x_q       <= x_i;
      half_q[0] <= half_i;
    end
    if (ALWAYS_LOAD || valid_q[0]) begin
      factor_operand_q <= factor_q;
      offset_operand_q <= offset_q;
      for (int l = 0; l < int'(Lanes); l++) x_operand_q[l] <= signed'(x_q[l]);
      half_q[1] <= half_q[0];
    end
    if (ALWAYS_LOAD || valid_q[1]) begin
      for (int l = 0; l < int'(Lanes); l++) begin
        scaled_q[l] <= NORMAL_W'(x_operand_q[l]) * NORMAL_W'(signed'({1'b0, factor_operand_q}));
      end
      offset_product_q <= offset_operand_q;
      half_q[2] <= half_q[1];
    end
    if (ALWAYS_LOAD || valid_q[2]) begin
      for (int l = 0; l < int'(Lanes); l++) begin
        centered_q[l]   <= scaled_q[l] - offset_product_q;
        norm_shift_q[l] <= {1'b0, 5'd6 + half_q[2]};  // half is at most 23 (peritus_rsqrt.sv)
      end
    end
  end

  always_ff @(posedge clk_i) begin
    valid_q <= {valid_q[2:0], valid_i};
    if (!rst_ni) valid_q <= '0;
  end

  logic xhat_valid;
  logic signed [15:0] xhat[Lanes];

  peritus_round_shift #(
    .Lanes(Lanes),
    .InW  (NORMAL_W),
    .OutW (16)
  ) u_normalize (
    .clk_i,
    .rst_ni,
    .valid_i(valid_q[3]),
    .value_i(centered_q),
    .shift_i(norm_shift_q),
    .valid_o(xhat_valid),
    .value_o(xhat)
  );

  // xhat gamma + beta
  logic signed [31:0] product_q[Lanes];
  logic [Lanes-1:0][31:0] beta_q;
  logic [5:0] shift_q[Lanes], affine_shift_q[Lanes];
  logic signed [32:0] affine_q[Lanes];
  logic [1:0] affine_valid_q;

  always_ff @(posedge clk_i) begin
    if (ALWAYS_LOAD || xhat_valid) begin
      for (int l = 0; l < int'(Lanes); l++) begin
        product_q[l] <= 32'(xhat[l]) * 32'(signed'(gamma_i[l]));
        shift_q[l]   <= shift_i[l][5:0];
      end
      beta_q <= beta_i;
    end
    if (ALWAYS_LOAD || affine_valid_q[0]) begin
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

  logic signed [7:0] q[Lanes];

  peritus_round_shift #(
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

`default_nettype wire
