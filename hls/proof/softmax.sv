// SPDX-License-Identifier: Apache-2.0
// Probabilities of two scores and their sum; the maximum of a row after one more word.

`default_nettype none

module proof_exp_lookup (
  input  logic               clk_i,
  input  logic signed [15:0] score [2],
  input  logic signed [15:0] maximum,
  input  logic               keep [2],
  output logic               assumed,
  output logic [1:0]         differ
);
  logic [7:0] rtl[2], model[2];
  logic valid, sum_valid;
  logic [8:0] sum;
  peritus_exp_lookup #(.Lanes(2)) u_rtl (
    .clk_i, .rst_ni(1'b1), .valid_i(1'b1), .score_i(score), .maximum_i(maximum), .keep_i(keep), .valid_o(valid),
    .p_o(rtl), .sum_valid_o(sum_valid), .sum_o(sum)
  );
  for (genvar n = 0; n < 2; n++) begin : gen_model
    model_probability u_model (score[n], maximum, {1'b0, keep[n]}, model[n]);
  end
  assign assumed = 1'b1;
  assign differ = {!valid || rtl != model, !sum_valid || sum != 9'(model[0]) + 9'(model[1])};
endmodule

// Without the memory of the row maxima: `previous` is what it held, what is written into it is compared.
module proof_row_maximum
  import peritus_pkg::*;
  import peritus_core_pkg::*;
(
  input  logic               clk_i,
  input  logic signed [15:0] score [8],
  input  logic [3:0]         lanes,
  input  logic               first,
  input  logic [TOKEN_W-1:0] row,
  input  logic [15:0]        previous,
  output logic               assumed,
  output logic               differ
);
  token_t token;
  logic signed [15:0] model;
  always_comb begin
    token = '0;
    token.valid = 1'b1;
    token.first_n = first;
    token.row = row;
    token.lanes = lanes;
  end
  peritus_softmax_rows u_rtl (
    .clk_i, .rst_ni(1'b1), .next_token_i(token), .score_valid_i(1'b1), .score_token_i(token), .score_i(score), .max_re_i(1'b0),
    .max_addr_i('0), .max_o(), .prob_token_i('0), .prob_sum_i('0), .mantissa_o(), .shift_o()
  );
  model_row_maximum u_model (
    score[0], score[1], score[2], score[3], score[4], score[5], score[6], score[7], lanes, previous, {1'b0, first}, model
  );
  assign u_rtl.u_max_update.rdata_o = previous;
  assign assumed = lanes >= 4'd1 && lanes <= 4'd8;
  assign differ = !u_rtl.new_row_q.valid || u_rtl.new_max_q != model || u_rtl.new_row_q.row != row;
endmodule

`default_nettype wire
