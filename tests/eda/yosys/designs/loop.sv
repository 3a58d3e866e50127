// SPDX-License-Identifier: Apache-2.0
// A combinational loop, which the synthesis check must find.

`default_nettype none

module loop (
  input  logic a_i,
  output logic q_o
);
  logic x, y;
  assign x = y ^ a_i;
  assign y = ~x | a_i;
  assign q_o = x;
endmodule

`default_nettype wire
