// SPDX-License-Identifier: Apache-2.0
// Arithmetic right shift with round half up and saturation, one per lane.
//
//   value_o = sat(rhu(value_i, shift_i)),   rhu(v, s) = floor(v / 2^s + 1/2),   0 <= s <= 63
//
// Rounding needs no adder as wide as the value: rhu(v, s) = (((2v) >> s) + 1) >> 1, so the shift comes first and
// the increment only touches the bits that survive saturation.
//
// Reference: peritus.reference.arithmetic (rhu, saturate). Latency: ROUND_SHIFT_LATENCY, one vector per cycle:
// shift by multiples of 8; shift by 0..7; round and saturate. Registers hold while their stage is not valid, unless
// ALWAYS_LOAD.

`default_nettype none

module peritus_round_shift
  import peritus_latency_pkg::*;
  import peritus_pipeline_pkg::*;
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

  logic signed [InW:0] coarse_q[Lanes];
  logic signed [InW:0] fine_q[Lanes];
  logic [2:0] shift_q[Lanes];
  logic [ROUND_SHIFT_LATENCY-1:0] valid_q;

  always_ff @(posedge clk_i) begin
    if (ALWAYS_LOAD || valid_i) begin
      for (int l = 0; l < int'(Lanes); l++) begin
        coarse_q[l] <= signed'({value_i[l], 1'b0}) >>> {shift_i[l][5:3], 3'b000};
        shift_q[l]  <= shift_i[l][2:0];
      end
    end
    if (ALWAYS_LOAD || valid_q[0]) begin
      for (int l = 0; l < int'(Lanes); l++) fine_q[l] <= coarse_q[l] >>> shift_q[l];
    end
    if (ALWAYS_LOAD || valid_q[1]) begin
      // Halve, round half up, saturate; what saturates is not incremented, so nothing overflows. No function call
      // here: the simulator guards a loop of plain assignments with one flag, one of calls with a flag per lane.
      for (int l = 0; l < int'(Lanes); l++) begin
        value_o[l] <= (fine_q[l][InW:OutW] != {(InW - OutW + 1) {fine_q[l][InW]}})
                    ? (fine_q[l][InW] ? ~MAXIMUM : MAXIMUM)
                    : signed'(fine_q[l][OutW:1]) + OutW'(fine_q[l][0] && fine_q[l][OutW:1] != MAXIMUM);
      end
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

`default_nettype wire
