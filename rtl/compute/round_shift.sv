// SPDX-License-Identifier: Apache-2.0
// Arithmetic right shift with round half up and saturation, one per lane.
//
//   value_o = sat(rhu(value_i, shift_i)),   rhu(v, s) = floor(v / 2^s + 1/2),   0 <= s <= 63
//
// Rounding needs no adder as wide as the value: rhu(v, s) = (((2v) >> s) + 1) >> 1, so the shift comes first and
// the increment only touches the bits that survive saturation.
//
// Reference: peritus.reference.arithmetic (rhu, saturate). Latency: ROUND_SHIFT_LATENCY, one vector per cycle:
// shift by multiples of 8; shift by 0..7; round and saturate. Registers hold while their stage is not valid.

module round_shift
  import latency_pkg::*;
#(
  parameter int unsigned Lanes = 8,
  parameter int unsigned InW = 43,
  parameter int unsigned OutW = 24
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   valid_i,
  input  logic signed [InW-1:0]  value_i [Lanes],
  input  logic [5:0]             shift_i [Lanes],
  output logic                   valid_o,
  output logic signed [OutW-1:0] value_o [Lanes]
);

  localparam logic signed [OutW-1:0] MAXIMUM = {1'b0, {(OutW - 1) {1'b1}}};

  logic signed [InW:0] coarse_q [Lanes];
  logic signed [InW:0] fine_q [Lanes];
  logic [2:0]          shift_q [Lanes];
  logic [ROUND_SHIFT_LATENCY-1:0] valid_q;

  // Halve, round half up, saturate; saturating before the increment keeps it from overflowing.
  function automatic logic signed [OutW-1:0] round(logic signed [InW:0] doubled);
    logic signed [OutW-1:0] floor;
    floor = doubled[OutW:1];
    if (doubled[InW:OutW] != {(InW - OutW + 1) {doubled[InW]}}) begin
      return doubled[InW] ? ~MAXIMUM : MAXIMUM;
    end
    if (doubled[0] && floor != MAXIMUM) return floor + OutW'(1);
    return floor;
  endfunction

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      for (int l = 0; l < int'(Lanes); l++) begin
        coarse_q[l] <= signed'({value_i[l], 1'b0}) >>> {shift_i[l][5:3], 3'b000};
        shift_q[l]  <= shift_i[l][2:0];
      end
    end
    if (valid_q[0]) begin
      for (int l = 0; l < int'(Lanes); l++) fine_q[l] <= coarse_q[l] >>> shift_q[l];
    end
    if (valid_q[1]) begin
      for (int l = 0; l < int'(Lanes); l++) value_o[l] <= round(fine_q[l]);
    end
  end

  always_ff @(posedge clk_i) begin
    valid_q <= {valid_q[ROUND_SHIFT_LATENCY-2:0], valid_i};
    if (!rst_ni) valid_q <= '0;
  end

  assign valid_o = valid_q[ROUND_SHIFT_LATENCY-1];

  if (OutW >= InW) begin : gen_check
    $error("round_shift: OutW = %0d must be less than InW = %0d", OutW, InW);
  end

endmodule
