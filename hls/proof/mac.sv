// SPDX-License-Identifier: Apache-2.0
// Two MACs in one multiplier: the product of a row, which holds those of two channels; and how the sum of such products,
// which is the word of the two sums, is taken apart.

`default_nettype none

module proof_mac_pack (
  input  logic              clk_i,
  input  logic signed [8:0] x,
  input  logic [1:0][7:0]   w,  // channels 0 and 1
  output logic              assumed,
  output logic              differ
);
  logic signed [37:0] p[1][1];
  logic signed [17:0] low, high;
  // Loaded and at once made active; the second row is 0.
  peritus_mac #(.Groups(1), .Cascade(2), .Channels(2), .Pack(1'b1)) u_rtl (
    .clk_i, .clk2x_i(1'b0), .rst_ni(1'b1), .row_we_i(1'b1), .row_count_i(3'd2), .row_i('0), .row_data_i({16'd0, w}), .col_we_i(1'b0),
    .col_i('0), .col_data_i('0), .swap_i(1'b1), .x_i('{x, 9'd0}), .p_o(p)
  );
  model_product u_low (x, w[0], low);
  model_product u_high (x, w[1], high);
  assign assumed = x >= -9'sd128 && w[0] != 8'h80 && w[1] != 8'h80;
  assign differ = p[0][0] != ((38'(high) <<< 19) + 38'(low));
endmodule

module proof_mac_split
  import peritus_pkg::*;
(
  input  logic               clk_i,
  input  logic signed [18:0] low [PN/2],
  input  logic signed [18:0] high [PN/2],
  output logic               assumed,
  output logic               differ
);
  logic signed [21:0] sum[PN];
  logic wrong, fit;
  peritus_mac_array #(.Pack(1'b1)) u_rtl (
    .clk_i, .clk2x_i(1'b0), .rst_ni(1'b1), .row_we_i(1'b0), .row_count_i(3'd0), .row_i('0), .row_data_i('0), .col_we_i(1'b0), .col_i('0),
    .col_data_i('0), .swap_i(1'b0), .x_i('{default: '0}), .sum_o(sum)
  );
  for (genvar m = 0; m < int'(PN) / 2; m++) begin : gen_packed
    assign u_rtl.u_mac.p_o[0][m] = (38'(high[m]) <<< 19) + 38'(low[m]);
  end
  always_comb begin
    wrong = 1'b0;
    fit = 1'b1;
    for (int m = 0; m < int'(PN) / 2; m++) begin
      wrong |= sum[m] != 22'(low[m]) || sum[m+int'(PN)/2] != 22'(high[m]);
      // Eight products of 127 x 255 at most.
      fit &= low[m] >= -19'sd259080 && low[m] <= 19'sd259080 && high[m] >= -19'sd259080 && high[m] <= 19'sd259080;
    end
  end
  assign assumed = fit;
  assign differ = wrong;
endmodule

`default_nettype wire
