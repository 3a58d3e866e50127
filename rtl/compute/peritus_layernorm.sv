// SPDX-License-Identifier: Apache-2.0
// LAYERNORM: residual stream to normalized int8 activations, one word of PN channels per cycle.
//
//   for t in tokens: x = sat16(residual[src_base + t * src_stride + nb]), nb in n_tiles   (width = N true channels)
//     S = sum x,  Q = sum x^2,  (r, half) = rsqrt(clamp(N Q - S^2 + imm, 1, 2^48 - 1))
//     act[dst_base + t * dst_stride + nb] = sat8(rhu(xhat gamma + beta, shift)),
//         xhat = sat16(rhu((N x - S) r, 6 + half))
//
//   residual ─ sat16 ─┬─ norm_stats ─┬─ norm_replay ─ norm_lanes ─ act
//                     └──────────────┘                  │
//   weight stream ─ norm_params ─ gamma, beta, shift ───┘
//
// The residual is read once: words wait in norm_replay for the statistics of their token. start_i begins with
// the parameters (5 n_tiles weight words; the segment's padding is not popped here); instr_i stays until done_o.
// Nothing stalls: reads are answered in two cycles, writes are never refused.
//
// done_o follows the last write; or, if keys is not 0, the read after which so many rows are unread: a GEMM may then begin
// to stream the first rows while the last ones are still normalized (peritus.arch.chase says how many). idle_o is the end.
//
// Reference: peritus.reference.layernorm. Latency: first read to first write
// n_tiles + 2 + norm_stats_latency(PN) + NORM_REPLAY_LATENCY + NORM_LANES_LATENCY, then one word per cycle.

`default_nettype none

module peritus_layernorm
  import peritus_pkg::*;
  import peritus_latency_pkg::*;
(
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     start_i,
  input  exec_instr_t              instr_i,
  output logic                     done_o,
  output logic                     idle_o,
  // weight stream
  input  logic                     w_valid_i,
  input  logic [2*PN*8-1:0]        w_data_i,
  output logic                     w_ready_o,
  // residual memory, data two cycles after the request
  output logic                     res_re_o,
  output logic [RESIDUAL_AW-1:0]   res_raddr_o,
  input  logic [PN-1:0][RES_W-1:0] res_rdata_i,
  // activation memory
  output logic                     act_we_o,
  output logic [ACT_AW-1:0]        act_waddr_o,
  output logic [PN-1:0][7:0]       act_wdata_o
);

  localparam int unsigned MAX_WIDTH = MAX_D_WORDS * PN;
  localparam int unsigned WIDTH_W = $clog2(MAX_WIDTH + 1);
  localparam int unsigned SUM_W = 16 + $clog2(MAX_WIDTH);
  localparam int unsigned BLOCK_W = $clog2(MAX_D_WORDS);

  typedef enum logic [1:0] {
    IDLE,
    LOAD,
    READ,
    DRAIN
  } state_e;

  state_e state_q;
  logic loaded, read_last_in_row, read_last, write_last, early;
  logic early_q;  // done_o has come before the end
  logic [11:0] read_rows;
  // Of the instruction, whose place another may have by then.
  logic [11:0] width_q, keys_q;
  logic [7:0] n_tiles_q;
  logic [31:0] epsilon_q;

  assign idle_o = state_q == IDLE;
  assign early = res_re_o && read_last_in_row && keys_q != '0 && read_rows == keys_q + 12'd1;

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      width_q   <= instr_i.width;
      keys_q    <= instr_i.keys;
      n_tiles_q <= instr_i.n_tiles;
      epsilon_q <= instr_i.imm;
    end
  end

  always_ff @(posedge clk_i) begin
    done_o <= early;
    if (start_i) early_q <= 1'b0;
    else if (early) early_q <= 1'b1;
    unique case (state_q)
      IDLE: if (start_i) state_q <= LOAD;
      LOAD: if (loaded) state_q <= READ;
      READ: if (read_last) state_q <= DRAIN;
      default: begin
        if (act_we_o && write_last) begin
          state_q <= IDLE;
          done_o <= !early_q;
        end
      end
    endcase
    if (!rst_ni) begin
      state_q <= IDLE;
      done_o <= 1'b0;
    end
  end

  // Read the residual and saturate it: x.
  logic [1:0] read_q, read_last_q;  // requests in flight
  logic x_valid_q, x_last_q;
  logic signed [15:0] x_q[PN];
  logic [PN-1:0][15:0] x_packed;

  assign res_re_o = state_q == READ;

  peritus_row_walker #(
    .AddrW(RESIDUAL_AW)
  ) u_read (
    .clk_i,
    .start_i,
    .base_i       (RESIDUAL_AW'(instr_i.src_base)),
    .stride_i     (RESIDUAL_AW'(instr_i.src_stride)),
    .rows_i       (instr_i.tokens),
    .words_i      (instr_i.n_tiles),
    .step_i       (res_re_o),
    .addr_o       (res_raddr_o),
    .last_in_row_o(read_last_in_row),
    .last_o       (read_last),
    .rows_left_o  (read_rows)
  );

  always_ff @(posedge clk_i) begin
    read_last_q <= {read_last_q[0], read_last_in_row};
    x_last_q <= read_last_q[1];
    if (read_q[1]) begin
      for (int n = 0; n < int'(PN); n++) begin
        x_q[n] <= (res_rdata_i[n][RES_W-1:15] == {(RES_W - 15) {res_rdata_i[n][RES_W-1]}})
                ? res_rdata_i[n][15:0]
                : (res_rdata_i[n][RES_W-1] ? 16'h8000 : 16'h7fff);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    read_q <= {read_q[0], res_re_o};
    x_valid_q <= read_q[1];
    if (!rst_ni) begin
      read_q <= '0;
      x_valid_q <= 1'b0;
    end
  end

  always_comb begin
    for (int n = 0; n < int'(PN); n++) x_packed[n] = x_q[n];
  end

  // Statistics of a token, then its words again
  logic stats_valid, lanes_valid;
  logic signed [SUM_W-1:0] stats_sum, lanes_sum;
  logic [15:0] stats_r, lanes_r;
  logic [4:0] stats_half, lanes_half;
  logic [PN-1:0][15:0] lanes_x;
  logic [7:0] lanes_block;

  peritus_norm_stats #(
    .Lanes   (PN),
    .MaxWidth(MAX_WIDTH)
  ) u_stats (
    .clk_i,
    .rst_ni,
    .width_i  (width_q[WIDTH_W-1:0]),
    .epsilon_i(epsilon_q),
    .valid_i  (x_valid_q),
    .last_i   (x_last_q),
    .x_i      (x_q),
    .valid_o  (stats_valid),
    .sum_o    (stats_sum),
    .r_o      (stats_r),
    .half_o   (stats_half)
  );

  peritus_norm_replay #(
    .WordW (16 * PN),
    .StatsW(SUM_W + 16 + 5),
    .Depth (MAX_D_WORDS + norm_stats_latency(PN) + NORM_REPLAY_LATENCY)
  ) u_replay (
    .clk_i,
    .rst_ni,
    .start_i,
    .n_tiles_i    (n_tiles_q),
    .valid_i      (x_valid_q),
    .word_i       (x_packed),
    .stats_valid_i(stats_valid),
    .stats_i      ({stats_sum, stats_r, stats_half}),
    .valid_o      (lanes_valid),
    .word_o       (lanes_x),
    .stats_o      ({lanes_sum, lanes_r, lanes_half}),
    .block_o      (lanes_block)
  );

  // Parameters are read so that they meet their word at the affine step of the lanes.
  localparam int unsigned PARAMS_READ = NORM_AFFINE_LATENCY - 2;
  logic [PARAMS_READ-1:0] params_re_q;
  logic [BLOCK_W-1:0] params_block;
  logic [PN-1:0][31:0] beta;
  logic [PN-1:0][15:0] gamma;
  logic [PN-1:0][7:0] shift;

  always_ff @(posedge clk_i) begin
    params_re_q <= {params_re_q[PARAMS_READ-2:0], lanes_valid};
    if (!rst_ni) params_re_q <= '0;
  end

  peritus_delay_line #(
    .Width (BLOCK_W),
    .Stages(PARAMS_READ)
  ) u_params_block (
    .clk_i,
    .en_i  (1'b1),
    .data_i(lanes_block[BLOCK_W-1:0]),
    .data_o(params_block)
  );

  peritus_norm_params u_params (
    .clk_i,
    .rst_ni,
    .start_i,
    .n_tiles_i(instr_i.n_tiles),
    .loaded_o (loaded),
    .w_valid_i,
    .w_data_i,
    .w_ready_o,
    .re_i     (params_re_q[PARAMS_READ-1]),
    .block_i  (params_block),
    .beta_o   (beta),
    .gamma_o  (gamma),
    .shift_o  (shift)
  );

  peritus_norm_lanes #(
    .Lanes   (PN),
    .MaxWidth(MAX_WIDTH)
  ) u_lanes (
    .clk_i,
    .rst_ni,
    .width_i(width_q[WIDTH_W-1:0]),
    .valid_i(lanes_valid),
    .x_i    (lanes_x),
    .sum_i  (lanes_sum),
    .r_i    (lanes_r),
    .half_i (lanes_half),
    .gamma_i(gamma),
    .beta_i (beta),
    .shift_i(shift),
    .valid_o(act_we_o),
    .q_o    (act_wdata_o)
  );

  logic unused_last;
  logic [11:0] unused_rows;

  peritus_row_walker #(
    .AddrW(ACT_AW)
  ) u_write (
    .clk_i,
    .start_i,
    .base_i       (ACT_AW'(instr_i.dst_base)),
    .stride_i     (ACT_AW'(instr_i.dst_stride)),
    .rows_i       (instr_i.tokens),
    .words_i      (instr_i.n_tiles),
    .step_i       (act_we_o),
    .addr_o       (act_waddr_o),
    .last_in_row_o(unused_last),
    .last_o       (write_last),
    .rows_left_o  (unused_rows)
  );

  logic unused;
  assign unused = ^{instr_i, lanes_block, unused_rows, width_q};

`ifndef SYNTHESIS
  assert property (@(posedge clk_i) disable iff (!rst_ni) start_i |-> state_q == IDLE)
  else $error("layernorm: start_i before done_o");
  assert property (@(posedge clk_i) disable iff (!rst_ni)
                   start_i |-> instr_i.tokens != '0 && instr_i.width inside {[1:MAX_WIDTH]}
                               && 32'(instr_i.width) <= 32'(instr_i.n_tiles) * PN)
  else $error("layernorm: tokens %0d, width %0d, words %0d", instr_i.tokens, instr_i.width, instr_i.n_tiles);
`endif

endmodule

`default_nettype wire
