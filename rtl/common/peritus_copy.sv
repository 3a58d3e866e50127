// SPDX-License-Identifier: Apache-2.0
// One of several registers alike, each for a part of the loads that one for all would have.
//
// Synthesis must not make them one again: keep tells Vivado, and peritus.eda.yosys knows this
// module.

`default_nettype none

module peritus_copy #(
  parameter int unsigned Width = 1
) (
  input  logic             clk_i,
  input  logic [Width-1:0] d_i,
  output logic [Width-1:0] q_o
);

  (* keep = "true" *) logic [Width-1:0] copy_q;

  always_ff @(posedge clk_i) copy_q <= d_i;

  assign q_o = copy_q;

endmodule

`default_nettype wire
