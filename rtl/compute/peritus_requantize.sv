// SPDX-License-Identifier: Apache-2.0
// Requantization, one per lane: both stages of the epilogue and the normalizing step of LayerNorm.
//
//   value_o = sat(rhu(value_i * multiplier_i, shift_i)),   multiplier_i unsigned, 0 <= shift_i <= 63
//
// Multiplier 1 with shift 0 passes the value (saturated).
//
// Reference: peritus.reference.requantize. Latency: REQUANTIZE_LATENCY, one vector per cycle: operand register,
// product register (the multiplier's own), then round_shift. Registers hold while their stage is not valid, unless
// ALWAYS_LOAD.

`default_nettype none

module peritus_requantize
  import peritus_latency_pkg::*;
  import peritus_pipeline_pkg::*;
#(
  parameter int unsigned Lanes = 8,
  parameter int unsigned InW = 27,
  parameter int unsigned OutW = 24
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   valid_i,
  input  logic signed [InW-1:0]  value_i [Lanes],
  input  logic [15:0]            multiplier_i [Lanes],
  input  logic [5:0]             shift_i [Lanes],
  output logic                   valid_o,
  output logic signed [OutW-1:0] value_o [Lanes]
);

  localparam int unsigned PRODUCT_W = InW + 16;
  localparam int unsigned MULTIPLY_LATENCY = REQUANTIZE_LATENCY - ROUND_SHIFT_LATENCY;

  logic signed [InW-1:0] value_q[Lanes];
  logic signed [16:0] multiplier_q[Lanes];
  logic [5:0] shift_q[Lanes];
  logic signed [PRODUCT_W-1:0] product_q[Lanes];
  logic [5:0] product_shift_q[Lanes];
  logic [MULTIPLY_LATENCY-1:0] valid_q;

  always_ff @(posedge clk_i) begin
    if (ALWAYS_LOAD || valid_i) begin
      for (int l = 0; l < int'(Lanes); l++) begin
        value_q[l]      <= value_i[l];
        multiplier_q[l] <= {1'b0, multiplier_i[l]};
        shift_q[l]      <= shift_i[l];
      end
    end
    if (ALWAYS_LOAD || valid_q[0]) begin
      for (int l = 0; l < int'(Lanes); l++) begin
        product_q[l]       <= PRODUCT_W'(value_q[l]) * PRODUCT_W'(multiplier_q[l]);
        product_shift_q[l] <= shift_q[l];
      end
    end
  end

  always_ff @(posedge clk_i) begin
    valid_q <= {valid_q[MULTIPLY_LATENCY-2:0], valid_i};
    if (!rst_ni) valid_q <= '0;
  end

  peritus_round_shift #(
    .Lanes(Lanes),
    .InW  (PRODUCT_W),
    .OutW (OutW)
  ) u_round_shift (
    .clk_i,
    .rst_ni,
    .valid_i(valid_q[MULTIPLY_LATENCY-1]),
    .value_i(product_q),
    .shift_i(product_shift_q),
    .valid_o,
    .value_o
  );

endmodule

`default_nettype wire
