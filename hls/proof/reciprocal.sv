// SPDX-License-Identifier: Apache-2.0
// Normalization of both widths, reciprocal and reciprocal square root, of every value but 0.

`default_nettype none

module proof_normalize24 (
  input  logic        clk_i,
  input  logic [23:0] value,
  output logic        assumed,
  output logic        differ
);
  logic [23:0] rtl, model;
  logic [4:0] zeros;
  logic [5:0] model_zeros;
  logic valid;
  peritus_normalize #(.Width(24)) u_rtl (
    .clk_i, .rst_ni(1'b1), .valid_i(1'b1), .value_i(value), .valid_o(valid), .value_o(rtl), .zeros_o(zeros)
  );
  model_normal24 u_model (value, model);
  model_zeros24 u_zeros (value, model_zeros);
  assign assumed = 1'b1;
  assign differ = !valid || rtl != model || 6'(zeros) != model_zeros;
endmodule

module proof_normalize48 (
  input  logic        clk_i,
  input  logic [47:0] value,
  output logic        assumed,
  output logic        differ
);
  logic [47:0] rtl;
  logic [63:0] model;
  logic [5:0] zeros, model_zeros;
  logic valid;
  peritus_normalize #(.Width(48), .DropSteps(1)) u_rtl (
    .clk_i, .rst_ni(1'b1), .valid_i(1'b1), .value_i(value), .valid_o(valid), .value_o(rtl), .zeros_o(zeros)
  );
  model_normal48 u_model (64'(value), model);
  model_zeros48 u_zeros (64'(value), model_zeros);
  assign assumed = 1'b1;
  assign differ = !valid || rtl != model[47:0] || zeros != model_zeros;
endmodule

// Behind the normalization, which is proved above and cut off here: u is anything normalized.
module proof_reciprocal (
  input  logic        clk_i,
  input  logic [15:0] u,
  output logic        assumed,
  output logic        differ
);
  logic [15:0] rtl, model;
  logic valid;
  peritus_reciprocal u_rtl (
    .clk_i, .rst_ni(1'b1), .valid_i(1'b1), .v_i('0), .valid_o(valid), .r_o(rtl), .shift_o()
  );
  assign u_rtl.u_normalize.value_o = {u, 8'd0};
  model_reciprocal u_model (u, model);
  assign assumed = u[15];
  assign differ = !valid || rtl != model;
endmodule

module proof_rsqrt (
  input  logic        clk_i,
  input  logic [17:0] u,
  output logic        assumed,
  output logic        differ
);
  logic [15:0] rtl, model;
  logic valid;
  peritus_rsqrt u_rtl (.clk_i, .rst_ni(1'b1), .valid_i(1'b1), .v_i('0), .valid_o(valid), .r_o(rtl), .half_o());
  assign u_rtl.u_normalize.value_o = {u, 30'd0};
  model_rsqrt u_model (u, model);
  assign assumed = u[17:16] != 2'd0;
  assign differ = !valid || rtl != model;
endmodule

// The exponents beside the mantissas, from the leading zeros.
module proof_exponents (
  input  logic       clk_i,
  input  logic [4:0] zeros24,
  input  logic [5:0] zeros48,
  output logic       assumed,
  output logic [1:0] differ
);
  logic [5:0] shift;
  logic [4:0] half;
  logic valid[2];
  peritus_reciprocal u_reciprocal (
    .clk_i, .rst_ni(1'b1), .valid_i(1'b1), .v_i('0), .valid_o(valid[0]), .r_o(), .shift_o(shift)
  );
  peritus_rsqrt u_rsqrt (
    .clk_i, .rst_ni(1'b1), .valid_i(1'b1), .v_i('0), .valid_o(valid[1]), .r_o(), .half_o(half)
  );
  logic [5:0] model_shift, model_half;
  assign u_reciprocal.u_normalize.zeros_o = zeros24;
  assign u_rsqrt.u_normalize.zeros_o = zeros48;
  model_shift u_shift (zeros24, model_shift);
  model_half u_half (zeros48, model_half);
  assign assumed = zeros24 <= 5'd23 && zeros48 <= 6'd46 && !zeros48[0];
  assign differ = {!valid[0] || shift != model_shift, !valid[1] || 6'(half) != model_half};
endmodule

`default_nettype wire
