// SPDX-License-Identifier: Apache-2.0
// Three lane units, the results of two enter the third.
`default_nettype none

module three_units
  import peritus_pkg::*;
(
  input  logic               clk_i,
  input  logic signed [17:0] a_i [PN],
  input  logic signed [15:0] b_i [PN],
  output logic signed [33:0] y_o [PN]
);
  logic signed [33:0] first[PN], second[PN];
  logic signed [17:0] a_q[PN];
  logic signed [15:0] b_q[PN];
  lane_unit u_first (
    .clk_i,
    .a_i,
    .b_i,
    .y_o(first)
  );
  lane_unit u_second (
    .clk_i,
    .a_i(a_q),
    .b_i,
    .y_o(second)
  );
  lane_unit u_third (
    .clk_i,
    .a_i(a_q),
    .b_i(b_q),
    .y_o
  );
  always_ff @(posedge clk_i) begin
    for (int n = 0; n < int'(PN); n++) begin
      a_q[n] <= first[n][33:16] ^ first[n][17:0];
      b_q[n] <= second[n][33:18] ^ second[n][17:2] ^ 16'(unsigned'(second[n][1:0]));
    end
  end
endmodule

`default_nettype wire
