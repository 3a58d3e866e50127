// SPDX-License-Identifier: Apache-2.0
// Addresses of a matrix in a memory, row by row.
//
//   for row in rows_i: for word in words_i: addr_o = base_i + row * stride_i + word
//
// start_i loads (rows_i, words_i >= 1); step_i moves to the next address. All outputs belong to the present one.

`default_nettype none

module peritus_row_walker #(
  parameter int unsigned AddrW = 16
) (
  input  logic             clk_i,
  input  logic             start_i,
  input  logic [AddrW-1:0] base_i,
  input  logic [AddrW-1:0] stride_i,
  input  logic [11:0]      rows_i,
  input  logic [7:0]       words_i,
  input  logic             step_i,
  output logic [AddrW-1:0] addr_o,
  output logic             last_in_row_o,
  output logic             last_o,
  output logic [11:0]      rows_left_o     // with the present one
);

  logic [AddrW-1:0] next_row_q, stride_q;
  logic [7:0] words_q, words_left_q;

  assign last_in_row_o = words_left_q == 8'd1;
  assign last_o = last_in_row_o && rows_left_o == 12'd1;

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      addr_o <= base_i;
      next_row_q <= base_i + stride_i;
      stride_q <= stride_i;
      rows_left_o <= rows_i;
      words_q <= words_i;
      words_left_q <= words_i;
    end else if (step_i) begin
      addr_o <= addr_o + AddrW'(1);
      words_left_q <= words_left_q - 8'd1;
      if (last_in_row_o) begin
        addr_o <= next_row_q;
        next_row_q <= next_row_q + stride_q;
        rows_left_o <= rows_left_o - 12'd1;
        words_left_q <= words_q;
      end
    end
  end

endmodule

`default_nettype wire
