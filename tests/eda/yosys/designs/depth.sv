// SPDX-License-Identifier: Apache-2.0
// Logic of known depth between registers: two adders of 16 bits in series, each a block of its own.

`default_nettype none

module adder (
  input  logic [15:0] a_i,
  input  logic [15:0] b_i,
  output logic [15:0] sum_o
);
  assign sum_o = a_i + b_i;
endmodule

module depth (
  input  logic        clk_i,
  input  logic [15:0] x_i [3],
  output logic [15:0] sum_o
);
  logic [15:0] x_q[3];
  logic [15:0] partial, sum;

  adder u_first (
    .a_i  (x_q[0]),
    .b_i  (x_q[1]),
    .sum_o(partial)
  );
  adder u_second (
    .a_i  (partial),
    .b_i  (x_q[2]),
    .sum_o(sum)
  );

  always_ff @(posedge clk_i) begin
    x_q <= x_i;
    sum_o <= sum;
  end
endmodule

`default_nettype wire
