// SPDX-License-Identifier: Apache-2.0
// The router's steps: one selection of the top-k sort, a numerator, the score of two chosen experts of four.

`default_nettype none

module proof_topk_stage (
  input  logic            clk_i,
  input  logic [7:0][15:0] value,
  input  logic [7:0]      candidates,
  output logic            assumed,
  output logic            differ
);
  logic valid;
  logic signed [15:0] maximum;
  logic [2:0] index, model;
  logic [7:0][15:0] others, model_others;
  logic [7:0] left, model_left_over;
  logic [15:0] model_maximum;
  peritus_topk_stage #(.Inputs(8)) u_rtl (
    .clk_i, .rst_ni(1'b1), .en_i(1'b1), .valid_i(1'b1), .value_i(value), .candidate_i(candidates), .valid_o(valid),
    .maximum_o(maximum), .index_o(index), .value_o(others), .candidate_o(left)
  );
  model_best u_model (
    value[0], value[1], value[2], value[3], value[4], value[5], value[6], value[7], candidates, model
  );
  model_best_value u_maximum (
    value[0], value[1], value[2], value[3], value[4], value[5], value[6], value[7], model, model_maximum
  );
  model_left u_left (candidates, model, model_left_over);
  for (genvar n = 0; n < 8; n++) begin : gen_others
    model_same u_other (value[n], model_others[n]);
  end
  assign assumed = candidates != '0;
  assign differ = !valid || index != model || unsigned'(maximum) != model_maximum || others != model_others
               || left != model_left_over;
endmodule

// The selection alone, of which a top-k stage is made.
module proof_argmax (
  input  logic             clk_i,
  input  logic [7:0][15:0] value,
  input  logic [7:0]       candidates,
  output logic             assumed,
  output logic             differ
);
  logic valid;
  logic signed [15:0] maximum;
  logic [2:0] index, model;
  logic [15:0] model_maximum;
  peritus_argmax #(.Inputs(8), .Width(16)) u_rtl (
    .clk_i, .rst_ni(1'b1), .valid_i(1'b1), .value_i(value), .candidate_i(candidates), .valid_o(valid),
    .maximum_o(maximum), .index_o(index)
  );
  model_best u_model (
    value[0], value[1], value[2], value[3], value[4], value[5], value[6], value[7], candidates, model
  );
  model_best_value u_maximum (
    value[0], value[1], value[2], value[3], value[4], value[5], value[6], value[7], model, model_maximum
  );
  assign assumed = candidates != '0;
  assign differ = !valid || index != model || unsigned'(maximum) != model_maximum;
endmodule

module proof_gate_exp (
  input  logic               clk_i,
  input  logic signed [15:0] maximum,
  input  logic signed [15:0] logit,
  output logic               assumed,
  output logic               differ
);
  logic [15:0] rtl[1], model;
  logic valid;
  peritus_gate_exp #(.Lanes(1)) u_rtl (
    .clk_i, .rst_ni(1'b1), .valid_i(1'b1), .maximum_i(maximum), .logit_i('{logit}), .keep_i('{1'b1}), .valid_o(valid),
    .e_o(rtl)
  );
  model_gate_exp u_model (maximum, logit, model);
  assign assumed = maximum >= logit;
  assign differ = !valid || rtl[0] != model;
endmodule

// The last step of gate_score, cut at its inputs: numerator, reciprocal and its shift are anything that they can be.
module proof_gate_score (
  input  logic        clk_i,
  input  logic [15:0] e,
  input  logic [15:0] r,
  input  logic [5:0]  shift,
  output logic        assumed,
  output logic        differ
);
  logic [15:0] rtl[1], model;
  logic valid;
  logic [1:0] expert[1];
  peritus_gate_score #(.Experts(4), .TopK(1)) u_rtl (
    .clk_i, .rst_ni(1'b1), .en_i(1'b1), .experts_i(4'hf), .valid_i(1'b1), .logits_i('0), .valid_o(valid),
    .expert_o(expert), .score_o(rtl)
  );
  assign u_rtl.u_delay_chosen.data_o = e;
  assign u_rtl.u_delay_sum.data_o = {r, shift};
  model_gate_score u_model (e, r, shift, model);
  // As the units before deliver them: e up to 2^15, a normalized r and any shift of a reciprocal.
  assign assumed = e <= 16'd32768 && r[15] && shift >= 6'd16 && shift <= 6'd39;
  assign differ = !valid || rtl[0] != model;
endmodule

`default_nettype wire
