// SPDX-License-Identifier: Apache-2.0
// PN equal lanes that share a counter: y = rotate(a * b + count).
`default_nettype none

module lane_unit
  import peritus_pkg::*;
(
  input  logic               clk_i,
  input  logic signed [17:0] a_i [PN],
  input  logic signed [15:0] b_i [PN],
  output logic signed [33:0] y_o [PN]
);
  logic [7:0] count_q;
  logic signed [33:0] product_q[PN];
  always_ff @(posedge clk_i) begin
    count_q <= count_q + 8'd1;
    for (int n = 0; n < int'(PN); n++) begin
      product_q[n] <= a_i[n] * b_i[n];
      y_o[n] <= product_q[n] + 34'(count_q);
    end
  end
endmodule

`default_nettype wire
