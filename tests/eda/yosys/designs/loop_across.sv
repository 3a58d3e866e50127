// SPDX-License-Identifier: Apache-2.0
// A combinational loop through two blocks, none of which has one of its own.

`default_nettype none

module half (
  input  logic a_i,
  input  logic b_i,
  output logic y_o
);
  assign y_o = a_i ^ ~b_i;
endmodule

module loop_across (
  input  logic a_i,
  output logic q_o
);
  logic there, back;
  half u_there (
    .a_i,
    .b_i(back),
    .y_o(there)
  );
  half u_back (
    .a_i,
    .b_i(there),
    .y_o(back)
  );
  assign q_o = back;
endmodule

`default_nettype wire
