// SPDX-License-Identifier: Apache-2.0
// Results to their destination, one word of PN lanes per cycle.
//
//   ACT: mem = sat8(z);  KV: mem = max(sat8(z), -127);  SCORES: mem = z;  ROUTER: logits = z
//   RES_SET: mem = z;  RES_ADD: mem = sat16(sat16(mem) + z);  RES_ACC: mem = mem + z (wide, saturated by its readers)
//
// Keys and values become stationary operands, which two-MAC packing wants within +-127 (peritus_mac_array.sv).
// Reference: peritus.reference.residual, peritus.reference.attention. early_token_i runs two cycles ahead of z_i,
// to read the residual word. Latency: one register. retire_o pulses while the word is being written.

`default_nettype none

module peritus_write_back
  import peritus_pkg::*;
  import peritus_core_pkg::*;
(
  input  logic                        clk_i,
  input  logic                        rst_ni,
  input  token_t                      early_token_i,
  input  token_t                      token_i,
  input  logic signed [15:0]          z_i [PN],
  output logic                        res_re_o,
  output logic [RESIDUAL_AW-1:0]      res_raddr_o,
  input  logic [PN-1:0][RES_W-1:0]    res_rdata_i,
  output logic                        act_we_o,
  output logic                        kv_we_o,
  output logic                        score_we_o,
  output logic                        res_we_o,
  output logic                        router_we_o,
  output logic [15:0]                 addr_o,
  output logic [PN-1:0][7:0]          byte_o,     // ACT, KV
  output logic [PN-1:0][15:0]         half_o,     // SCORES, ROUTER
  output logic [PN-1:0][RES_W-1:0]    res_o,
  output token_t                      token_o,
  output logic                        retire_o
);

  localparam logic signed [15:0] MAX16 = 16'sh7fff;

  function automatic logic signed [RES_W-1:0] saturate16(logic signed [RES_W-1:0] value);
    return (value[RES_W-1:15] == {(RES_W - 15) {value[RES_W-1]}}) ? value
         : value[RES_W-1] ? RES_W'(~MAX16) : RES_W'(MAX16);
  endfunction

  logic to_residual, add;
  logic signed [15:0] lowest;
  assign lowest = (token_i.dst == DST_KV) ? -16'sd127 : -16'sd128;
  assign to_residual = token_i.dst inside {DST_RES_ADD, DST_RES_ACC, DST_RES_SET};
  assign add = token_i.dst == DST_RES_ADD;
  assign res_re_o = early_token_i.valid && early_token_i.dst inside {DST_RES_ADD, DST_RES_ACC};
  assign res_raddr_o = RESIDUAL_AW'(early_token_i.dst_addr);

  always_ff @(posedge clk_i) begin
    token_o <= token_i;
    act_we_o <= token_i.valid && token_i.dst == DST_ACT;
    kv_we_o <= token_i.valid && token_i.dst == DST_KV;
    score_we_o <= token_i.valid && token_i.dst == DST_SCORES;
    res_we_o <= token_i.valid && to_residual;
    router_we_o <= token_i.valid && token_i.dst == DST_ROUTER;
    retire_o <= token_i.valid;
    if (token_i.valid) begin
      addr_o <= token_i.dst_addr;
      for (int n = 0; n < int'(PN); n++) begin
        byte_o[n] <= (z_i[n] > 16'sd127) ? 8'h7f : (z_i[n] < lowest) ? lowest[7:0] : z_i[n][7:0];
        half_o[n] <= z_i[n];
      end
    end
    if (token_i.valid && to_residual) begin
      for (int n = 0; n < int'(PN); n++) begin
        logic signed [RES_W-1:0] base, sum;
        base = signed'(res_rdata_i[n]);
        if (add) base = saturate16(base);
        if (token_i.dst == DST_RES_SET) base = '0;
        sum = base + RES_W'(z_i[n]);
        res_o[n] <= add ? saturate16(sum) : sum;
      end
    end
    if (!rst_ni) begin
      token_o.valid <= 1'b0;
      act_we_o <= 1'b0;
      kv_we_o <= 1'b0;
      score_we_o <= 1'b0;
      res_we_o <= 1'b0;
      router_we_o <= 1'b0;
      retire_o <= 1'b0;
    end
  end

endmodule

`default_nettype wire
