// SPDX-License-Identifier: Apache-2.0
// The function between the stages: none, GELU, ReLU.

`default_nettype none

module proof_activation
  import peritus_pkg::*;
(
  input  logic               clk_i,
  input  logic signed [23:0] y,
  input  logic [1:0]         fn,
  output logic               assumed,
  output logic               differ
);
  logic signed [23:0] rtl[1], model;
  logic valid;
  peritus_activation #(.Lanes(1), .Width(24)) u_rtl (
    .clk_i, .rst_ni(1'b1), .valid_i(1'b1), .relu_i(fn != FN_NONE), .gelu_i(fn == FN_GELU), .y_i('{y}),
    .valid_o(valid), .g_o(rtl)
  );
  model_activation u_model (y, fn, model);
  assign assumed = fn != 2'd3;  // there are three
  assign differ = !valid || rtl[0] != model;
endmodule

`default_nettype wire
