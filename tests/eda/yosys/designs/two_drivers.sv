// SPDX-License-Identifier: Apache-2.0
// Two drivers of one net, which the synthesis check must find.

`default_nettype none

module two_drivers (
  input  logic clk_i,
  input  logic a_i,
  input  logic b_i,
  output wire  q_o
);
  logic a_q, b_q;
  always_ff @(posedge clk_i) {a_q, b_q} <= {a_i, b_i};
  assign q_o = a_q;
  assign q_o = b_q;
endmodule

`default_nettype wire
