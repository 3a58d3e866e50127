// SPDX-License-Identifier: Apache-2.0
// A latch, which the synthesis check must find.

`default_nettype none

module latch (
  input  logic enable_i,
  input  logic d_i,
  output logic q_o
);
  always @* if (enable_i) q_o = d_i;
endmodule

`default_nettype wire
