// SPDX-License-Identifier: Apache-2.0
// Write-back: the three residual modes, and activations, keys and values; of every lane of a word.

`default_nettype none

module proof_residual
  import peritus_pkg::*;
  import peritus_core_pkg::*;
(
  input  logic                     clk_i,
  input  logic [PN-1:0][RES_W-1:0] old,
  input  logic signed [15:0]       z [PN],
  output logic                     assumed,
  output logic [2:0]               differ
);
  localparam dst_e MODES[3] = '{DST_RES_ADD, DST_RES_ACC, DST_RES_SET};
  for (genvar mode = 0; mode < 3; mode++) begin : gen_mode
    token_t token;
    logic [PN-1:0][RES_W-1:0] rtl, model;
    logic valid;
    always_comb begin
      token = '0;
      token.valid = 1'b1;
      token.dst = MODES[mode];
    end
    peritus_write_back u_rtl (
      .clk_i, .rst_ni(1'b1), .early_token_i(token), .token_i(token), .z_i(z), .init_next_i(1'b0), .init_we_i(1'b0), .init_addr_i('0),
      .init_data_i('0), .res_addr_o(), .res_re_o(), .res_raddr_o(),
      .res_rdata_i(old), .act_we_o(), .kv_we_o(), .score_we_o(), .res_we_o(valid), .router_we_o(), .addr_o(),
      .byte_o(), .half_o(), .res_o(rtl), .token_o(), .retire_o()
    );
    for (genvar n = 0; n < int'(PN); n++) begin : gen_model
      model_residual u_model (old[n], z[n], MODES[mode], model[n]);
    end
    assign differ[mode] = !valid || rtl != model;
  end
  assign assumed = 1'b1;
endmodule

module proof_narrow
  import peritus_pkg::*;
  import peritus_core_pkg::*;
(
  input  logic               clk_i,
  input  logic signed [15:0] z [PN],
  input  logic [2:0]         dst,
  output logic               assumed,
  output logic               differ
);
  token_t token;
  logic [PN-1:0][7:0] rtl, model;
  logic act, kv;
  always_comb begin
    token = '0;
    token.valid = 1'b1;
    token.dst = dst_e'(dst);
  end
  peritus_write_back u_rtl (
    .clk_i, .rst_ni(1'b1), .early_token_i(token), .token_i(token), .z_i(z), .init_next_i(1'b0), .init_we_i(1'b0), .init_addr_i('0),
      .init_data_i('0), .res_addr_o(), .res_re_o(), .res_raddr_o(),
    .res_rdata_i('0), .act_we_o(act), .kv_we_o(kv), .score_we_o(), .res_we_o(), .router_we_o(), .addr_o(),
    .byte_o(rtl), .half_o(), .res_o(), .token_o(), .retire_o()
  );
  for (genvar n = 0; n < int'(PN); n++) begin : gen_model
    model_narrow u_model (z[n], dst, model[n]);
  end
  assign assumed = dst_e'(dst) inside {DST_ACT, DST_HIDDEN, DST_KV};
  assign differ = !(act || kv) || rtl != model;
endmodule

`default_nettype wire
