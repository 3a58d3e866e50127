// SPDX-License-Identifier: Apache-2.0
// Rounding, and both stages of requantization.

`default_nettype none

module proof_round_shift (
  input  logic               clk_i,
  input  logic signed [42:0] value,
  input  logic [5:0]         shift,
  output logic               assumed,
  output logic               differ
);
  logic signed [23:0] rtl[1], model;
  logic valid;
  peritus_round_shift #(.Lanes(1), .InW(43), .OutW(24)) u_rtl (
    .clk_i, .rst_ni(1'b1), .valid_i(1'b1), .value_i('{value}), .shift_i('{shift}), .valid_o(valid), .value_o(rtl)
  );
  model_round_shift u_model (value, shift, model);
  assign assumed = 1'b1;
  assign differ = !valid || rtl[0] != model;
endmodule

module proof_stage1 (
  input  logic               clk_i,
  input  logic signed [26:0] value,
  input  logic [15:0]        multiplier,
  input  logic [5:0]         shift,
  output logic               assumed,
  output logic               differ
);
  logic signed [23:0] rtl[1], model;
  logic valid;
  peritus_requantize #(.Lanes(1), .InW(27), .OutW(24)) u_rtl (
    .clk_i, .rst_ni(1'b1), .valid_i(1'b1), .value_i('{value}), .multiplier_i('{multiplier}), .shift_i('{shift}),
    .valid_o(valid), .value_o(rtl)
  );
  model_stage1 u_model (value, multiplier, shift, model);
  assign assumed = 1'b1;
  assign differ = !valid || rtl[0] != model;
endmodule

module proof_stage2 (
  input  logic               clk_i,
  input  logic signed [23:0] value,
  input  logic [15:0]        multiplier,
  input  logic [5:0]         shift,
  output logic               assumed,
  output logic               differ
);
  logic signed [15:0] rtl[1], model;
  logic valid;
  peritus_requantize #(.Lanes(1), .InW(24), .OutW(16)) u_rtl (
    .clk_i, .rst_ni(1'b1), .valid_i(1'b1), .value_i('{value}), .multiplier_i('{multiplier}), .shift_i('{shift}),
    .valid_o(valid), .value_o(rtl)
  );
  model_stage2 u_model (value, multiplier, shift, model);
  assign assumed = 1'b1;
  assign differ = !valid || rtl[0] != model;
endmodule

`default_nettype wire
