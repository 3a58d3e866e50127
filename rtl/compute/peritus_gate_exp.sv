// SPDX-License-Identifier: Apache-2.0
// Numerators of the router's softmax, one per lane.
//
//   d = maximum_i - logit_i,   e_o = keep_i ? EXP2_TABLE[d & 255] >> (d >> 8) : 0   (0 where d >> 8 >= 16)
//
// Logits are in 1/256 octaves; maximum_i is at least every kept logit.
//
// Reference: peritus.reference.router. Latency: GATE_EXP_LATENCY, one vector per cycle: subtract; table; shift.
// Registers hold while their stage is not valid.

`default_nettype none

module peritus_gate_exp
  import peritus_latency_pkg::*;
  import peritus_tables_pkg::*;
#(
  parameter int unsigned Lanes = 8
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               valid_i,
  input  logic signed [15:0] maximum_i,
  input  logic signed [15:0] logit_i [Lanes],
  input  logic               keep_i [Lanes],
  output logic               valid_o,
  output logic [15:0]        e_o [Lanes]
);

  logic [15:0] distance_q[Lanes];  // of a kept logit
  logic distance_keep_q[Lanes];
  logic [15:0] fraction_q[Lanes];  // 2^15 * 2^-(fraction of d)
  logic [3:0] octaves_q[Lanes];
  logic octaves_keep_q[Lanes];
  logic [GATE_EXP_LATENCY-1:0] valid_q;

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      for (int l = 0; l < int'(Lanes); l++) distance_q[l] <= maximum_i - logit_i[l];
      distance_keep_q <= keep_i;
    end
    if (valid_q[0]) begin
      for (int l = 0; l < int'(Lanes); l++) begin
        fraction_q[l]     <= EXP2_TABLE[distance_q[l][7:0]];
        octaves_q[l]      <= distance_q[l][11:8];
        octaves_keep_q[l] <= distance_keep_q[l] && distance_q[l][15:12] == '0;
      end
    end
    if (valid_q[1]) begin
      for (int l = 0; l < int'(Lanes); l++) begin
        e_o[l] <= octaves_keep_q[l] ? fraction_q[l] >> octaves_q[l] : '0;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    valid_q <= {valid_q[GATE_EXP_LATENCY-2:0], valid_i};
    if (!rst_ni) valid_q <= '0;
  end

  assign valid_o = valid_q[GATE_EXP_LATENCY-1];

endmodule

`default_nettype wire
