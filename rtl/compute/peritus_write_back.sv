// SPDX-License-Identifier: Apache-2.0
// Results to their destination, one word of PN lanes per cycle.
//
//   ACT: mem = sat8(z);  HIDDEN: mem = sat8(z - HIDDEN_OFFSET);  KV: mem = max(sat8(z), -127);  SCORES: mem = z;  ROUTER: logits = z
//   RES_SET: mem = z;  RES_ADD: mem = sat16(sat16(mem) + z);  RES_ACC: mem = mem + z (wide, saturated by its readers)
//
// Keys and values become stationary operands, which two-MAC packing wants within +-127 (peritus_mac_array.sv).
// Reference: peritus.reference.residual, peritus.reference.requantize, peritus.reference.attention. early_token_i runs three cycles ahead of z_i, to read
// the residual word: its destination is decoded on the way, once, into registers. RES_INIT's words pass through too, for
// the residual memory has one writer: two cycles from init_we_i to res_we_o. Latency: one register from z_i. retire_o
// pulses while the word is being written.

`default_nettype none

module peritus_write_back
  import peritus_pkg::*;
  import peritus_core_pkg::*;
  import peritus_pipeline_pkg::*;
(
  input  logic                        clk_i,
  input  logic                        rst_ni,
  input  token_t                      early_token_i,
  input  token_t                      token_i,
  input  logic signed [15:0]          z_i [PN],
  // RES_INIT and COPY, while no result is on its way
  input  logic                        init_next_i,  // init_we_i in the next cycle
  input  logic                        init_we_i,
  input  logic [RESIDUAL_AW-1:0]      init_addr_i,
  input  logic [PN-1:0][RES_W-1:0]    init_data_i,
  // residual memory, data two cycles after the request
  output logic                        res_re_o,
  output logic [RESIDUAL_AW-1:0]      res_raddr_o,
  input  logic [PN-1:0][RES_W-1:0]    res_rdata_i,
  output logic                        res_we_o,
  output logic [RESIDUAL_AW-1:0]      res_addr_o,
  output logic [PN-1:0][RES_W-1:0]    res_o,
  // the other memories, and the router
  output logic                        act_we_o,
  output logic                        kv_we_o,
  output logic                        score_we_o,
  output logic                        router_we_o,
  output logic [15:0]                 addr_o,
  output logic [PN-1:0][7:0]          byte_o,     // ACT, KV
  output logic [PN-1:0][15:0]         half_o,     // SCORES, ROUTER
  output token_t                      token_o,
  output logic                        retire_o
);

  localparam logic signed [15:0] MAX16 = 16'sh7fff;
  localparam logic signed [15:0] HIDDEN_MAX = 16'(HIDDEN_OFFSET) + 16'sd127;  // where HIDDEN saturates
  localparam logic signed [15:0] HIDDEN_MIN = 16'(HIDDEN_OFFSET) - 16'sd128;

  function automatic logic signed [RES_W-1:0] saturate16(logic signed [RES_W-1:0] value);
    return (value[RES_W-1:15] == {(RES_W - 15) {value[RES_W-1]}}) ? value
         : value[RES_W-1] ? RES_W'(~MAX16) : RES_W'(MAX16);
  endfunction

  typedef struct packed {
    logic valid, act, hidden, kv, score, router, residual;
    logic add,   set, init;                                 // of the residual
  } kind_t;
  kind_t early, kind_q[3];  // with the read, its data, z

  // What selects in every lane is a register for each SHARE lanes: one for all of them is a net of a thousand loads.
  localparam int unsigned SHARE = 16;
  localparam int unsigned SHARES = (PN + SHARE - 1) / SHARE;
  typedef struct packed {
    logic base_init, base_add;               // with the read data
    logic init,      add,      set, hidden;  // with z
  } select_t;
  select_t select_d;
  select_t [SHARES-1:0] select_q;
  logic [RESIDUAL_AW-1:0] init_addr_q;

  always_comb begin
    early = '0;
    early.valid = early_token_i.valid;
    if (early_token_i.valid) begin
      early.act = early_token_i.dst inside {DST_ACT, DST_HIDDEN};
      early.hidden = early_token_i.dst == DST_HIDDEN;
      early.kv = early_token_i.dst == DST_KV;
      early.score = early_token_i.dst == DST_SCORES;
      early.router = early_token_i.dst == DST_ROUTER;
      early.residual = early_token_i.dst inside {DST_RES_ADD, DST_RES_ACC, DST_RES_SET};
      early.add = early_token_i.dst == DST_RES_ADD;
      early.set = early_token_i.dst == DST_RES_SET;
    end
  end

  assign res_re_o = early_token_i.valid && early_token_i.dst inside {DST_RES_ADD, DST_RES_ACC};
  assign res_raddr_o = RESIDUAL_AW'(early_token_i.dst_addr);

  always_ff @(posedge clk_i) begin
    kind_q[0] <= early;
    kind_q[1] <= kind_q[0];
    kind_q[2] <= kind_q[1];
    kind_q[2].init <= init_we_i;
    init_addr_q <= init_addr_i;
    if (!rst_ni) begin
      for (int i = 0; i < 3; i++) kind_q[i] <= '0;
    end
  end

  // verilog_format: off  // patterns lose their indentation
  assign select_d = '{
    base_init: init_next_i,
    base_add: kind_q[0].add,
    init: init_we_i,
    add: kind_q[1].add,
    set: kind_q[1].set,
    hidden: kind_q[1].hidden
  };
  // verilog_format: on
  for (genvar s = 0; s < int'(SHARES); s++) begin : gen_share
    peritus_copy #(
      .Width($bits(select_t))
    ) u_select (
      .clk_i,
      .d_i(select_d),
      .q_o(select_q[s])
    );
  end

  // What z is added to.
  logic signed [RES_W-1:0] base_q[PN];
  always_ff @(posedge clk_i) begin
    if (ALWAYS_LOAD || kind_q[1].residual || init_we_i) begin
      for (int n = 0; n < int'(PN); n++) begin
        base_q[n] <= select_q[n/SHARE].base_init ? init_data_i[n] :
            select_q[n/SHARE].base_add ? saturate16(signed'(res_rdata_i[n])) : signed'(res_rdata_i[n]);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (ALWAYS_LOAD || kind_q[2].residual || kind_q[2].init) begin
      for (int n = 0; n < int'(PN); n++) begin
        logic signed [RES_W-1:0] sum;
        sum = (select_q[n/SHARE].set ? '0 : base_q[n]) + (select_q[n/SHARE].init ? '0 : RES_W'(z_i[n]));
        res_o[n] <= select_q[n/SHARE].add ? saturate16(sum) : sum;
      end
      res_addr_o <= kind_q[2].init ? init_addr_q : RESIDUAL_AW'(token_i.dst_addr);
    end
  end

  always_ff @(posedge clk_i) begin
    token_o <= token_i;
    act_we_o <= kind_q[2].act;
    kv_we_o <= kind_q[2].kv;
    score_we_o <= kind_q[2].score;
    router_we_o <= kind_q[2].router;
    res_we_o <= kind_q[2].residual || kind_q[2].init;
    retire_o <= kind_q[2].valid;
    if (ALWAYS_LOAD || kind_q[2].valid) begin
      addr_o <= token_i.dst_addr;
      for (int n = 0; n < int'(PN); n++) begin
        if (select_q[n/SHARE].hidden) begin
          byte_o[n] <= (z_i[n] > HIDDEN_MAX) ? 8'h7f
                     : (z_i[n] < HIDDEN_MIN) ? 8'h80 : z_i[n][7:0] - 8'(HIDDEN_OFFSET);
        end else begin
          byte_o[n] <= (z_i[n] > 16'sd127) ? 8'h7f
                     : (z_i[n] < -16'sd127) ? {7'h40, kind_q[2].kv} : z_i[n][7:0];
        end
        half_o[n] <= z_i[n];
      end
    end
    if (!rst_ni) begin
      token_o.valid <= 1'b0;
      act_we_o <= 1'b0;
      kv_we_o <= 1'b0;
      score_we_o <= 1'b0;
      router_we_o <= 1'b0;
      res_we_o <= 1'b0;
      retire_o <= 1'b0;
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      assert (kind_q[2].valid == token_i.valid)
      else $error("write_back: early_token_i is not three cycles ahead of token_i");
      assert (init_we_i == select_q[0].base_init)
      else $error("write_back: init_next_i is not a cycle ahead of init_we_i");
      assert (!(init_we_i && (early.valid || kind_q[0].valid || kind_q[1].valid || kind_q[2].valid)))
      else $error("write_back: RES_INIT beside results");
    end
  end
`endif

endmodule

`default_nettype wire
