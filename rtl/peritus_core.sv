// SPDX-License-Identifier: Apache-2.0
// The accelerator core: one GEMM pipeline with its memories, and the units that share them.
//
//   sequencer ──▶ tile_loader ──▶ mac_array ──▶ accumulator ──▶ epilogue ──▶ write_back ──▶ memories
//       └───────▶ streamer ──▶ operand_fetch ──▶┘                                  act, kv, score, residual, router
//
// layernorm, res_init, res_copy and the memory side's image loader and result writer run alone, between GEMMs; but a GEMM
// may begin to stream the rows that layernorm has finished.
// Side information travels with each token vector (peritus_core_pkg::token_t); AT_* count cycles from its issue.

`default_nettype none

module peritus_core
  import peritus_pkg::*;
  import peritus_core_pkg::*;
  import peritus_latency_pkg::*;
#(
  parameter bit Dsp48e2 = 1'b0  // see peritus_mac.sv
) (
  input  logic                     clk_i,
  input  logic                     clk2x_i,       // see peritus_mac.sv
  input  logic                     rst_ni,
  // jobs
  input  logic                     job_valid_i,
  output logic                     job_ready_o,
  input  job_t                     job_i,
  output logic                     job_done_o,
  output logic [31:0]              job_done_seq_o,
  // program memory
  output logic                     prog_re_o,
  output logic [PROGRAM_AW-1:0]    prog_raddr_o,
  input  exec_instr_t              prog_rdata_i,
  // weight stream
  output logic                     fetch_start_o,
  input  logic                     w_valid_i,
  input  logic [2*PN*8-1:0]        w_data_i,
  input  logic                     w_plenty_i,
  output logic                     w_ready_o,
  output logic                     seg_done_o,
  output logic                     drop_valid_o,
  output logic [15:0]              drop_stripes_o,
  output logic [7:0]               gates_o,        // see peritus_sequencer.sv
  output logic                     routed_o,
  output logic [MAX_EXPERTS-1:0]   idle_experts_o, // no token in their queues
  input  logic                     drop_ready_i,
  // LOAD_IMAGE
  output logic                     img_valid_o,
  input  logic                     img_ready_i,
  output exec_instr_t              img_instr_o,
  input  logic                     img_done_i,
  input  logic                     img_we_i,
  input  logic [ACT_AW-1:0]        img_waddr_i,
  input  logic [PN*8-1:0]          img_wdata_i,
  input  logic [PN/AXI_BYTES-1:0]  img_wbe_i,
  // STORE
  output logic                     st_valid_o,
  input  logic                     st_ready_i,
  output exec_instr_t              st_instr_o,
  input  logic                     st_done_i,
  input  logic                     st_re_i,
  input  logic [RESIDUAL_AW-1:0]   st_raddr_i,
  output logic [PN-1:0][RES_W-1:0] st_rdata_o,
  // errors, state, counters
  input  logic                     err_i,
  output logic [3:0]               core_err_o,
  output logic [39:0]              state_o,
  output logic [15:0]              store_pc_o,
  output logic                     busy_o,
  output logic                     stall_weight_o,
  output logic                     stall_wait_o
);

  // --- control ---
  gemm_t gemm;
  exec_instr_t instr;
  logic gemm_valid, gemm_ready, loader_idle, all_idle, router_start;
  logic layernorm_start, res_init_start, layernorm_done, res_init_done, unit_pop;
  logic res_copy_start, res_copy_done, layernorm_idle;
  logic pad_ready, unit_seg_done, loader_seg_done;
  logic [15:0] pc;
  logic [7:0] sequencer_state, loader_state, streamer_state;
  logic [COUNT_W-1:0] expert_count[MAX_EXPERTS];

  peritus_sequencer u_sequencer (
    .clk_i,
    .rst_ni,
    .job_valid_i,
    .job_ready_o,
    .job_i,
    .job_done_o,
    .job_done_seq_o,
    .fetch_start_o,
    .prog_re_o,
    .prog_raddr_o,
    .prog_rdata_i,
    .gemm_valid_o     (gemm_valid),
    .gemm_ready_i     (gemm_ready),
    .gemm_o           (gemm),
    .loader_idle_i    (loader_idle),
    .all_idle_i       (all_idle),
    .expert_count_i   (expert_count),
    .router_start_o   (router_start),
    .gates_o,
    .routed_o,
    .instr_o          (instr),
    .image_valid_o    (img_valid_o),
    .image_ready_i    (img_ready_i),
    .store_valid_o    (st_valid_o),
    .store_ready_i    (st_ready_i),
    .layernorm_start_o(layernorm_start),
    .res_init_start_o (res_init_start),
    .res_copy_start_o (res_copy_start),
    .unit_done_i      (img_done_i || layernorm_done || res_init_done || res_copy_done),
    .store_done_i     (st_done_i),
    .store_pc_o,
    .unit_pop_i       (unit_pop),
    .w_valid_i,
    .pad_ready_o      (pad_ready),
    .seg_done_o       (unit_seg_done),
    .drop_valid_o,
    .drop_stripes_o,
    .drop_ready_i,
    .err_i,
    .err_o            (core_err_o),
    .pc_o             (pc),
    .state_o          (sequencer_state)
  );

  assign img_instr_o = instr;
  assign st_instr_o = instr;
  assign state_o = {streamer_state, loader_state, sequencer_state, pc};

  // A GEMM enters both queues at once; the loader is at most one tile ahead of the streamer.
  logic load_push_ready, stream_push_ready, load_valid, load_ready, stream_valid, stream_ready;
  gemm_t load_gemm, stream_gemm;
  assign gemm_ready = load_push_ready && stream_push_ready;

  peritus_fifo #(
    .Width($bits(gemm_t)),
    .Depth(2)
  ) u_load_queue (
    .clk_i,
    .rst_ni,
    .clear_i(1'b0),
    .valid_i(gemm_valid && gemm_ready),
    .ready_o(load_push_ready),
    .data_i (gemm),
    .valid_o(load_valid),
    .ready_i(load_ready),
    .data_o (load_gemm)
  );
  peritus_fifo #(
    .Width($bits(gemm_t)),
    .Depth(4)
  ) u_stream_queue (
    .clk_i,
    .rst_ni,
    .clear_i(1'b0),
    .valid_i(gemm_valid && gemm_ready),
    .ready_o(stream_push_ready),
    .data_i (gemm),
    .valid_o(stream_valid),
    .ready_i(stream_ready),
    .data_o (stream_gemm)
  );

  // --- stationary operands ---
  logic loader_w_ready, kv_re, row_we, col_we, params_taken;
  logic [2:0] row_count;
  logic tile_ready, tile_taken, loader_at_rest;
  logic [KV_AW-1:0] kv_raddr;
  logic [PN-1:0][7:0] kv_rdata;
  logic [$clog2(PK)-1:0] row;
  logic [$clog2(PN)-1:0] col;
  logic [ROWS_PER_WORD-1:0][PN-1:0][7:0] row_data;
  logic [PK-1:0][7:0] col_data;
  param_block_t params;
  logic resident_start, resident_valid, resident_ready;
  logic [RESIDENT_AW-1:0] resident_addr;
  logic [2*PN*8-1:0] resident_data;
  token_t array_token;

  peritus_tile_loader u_tile_loader (
    .clk_i,
    .rst_ni,
    .gemm_valid_i  (load_valid),
    .gemm_ready_o  (load_ready),
    .gemm_i        (load_gemm),
    .w_valid_i,
    .w_data_i,
    .w_plenty_i,
    .w_ready_o     (loader_w_ready),
    .seg_done_o    (loader_seg_done),
    .res_start_o   (resident_start),
    .res_addr_o    (resident_addr),
    .res_valid_i   (resident_valid),
    .res_data_i    (resident_data),
    .res_ready_o   (resident_ready),
    .kv_re_o       (kv_re),
    .kv_raddr_o    (kv_raddr),
    .kv_rdata_i    (kv_rdata),
    .row_we_o      (row_we),
    .row_count_o   (row_count),
    .row_o         (row),
    .row_data_o    (row_data),
    .col_we_o      (col_we),
    .col_o         (col),
    .col_data_o    (col_data),
    .params_o      (params),
    .params_taken_i(params_taken),
    .tile_ready_o  (tile_ready),
    .tile_taken_i  (tile_taken),
    .swapped_i     (array_token.valid && array_token.swap),
    .idle_o        (loader_at_rest),
    .state_o       (loader_state)
  );
  assign loader_idle = loader_at_rest && !load_valid;

  // --- streamed operands ---
  issue_t issue;
  logic retire, streamer_idle;

  peritus_streamer u_streamer (
    .clk_i,
    .rst_ni,
    .gemm_valid_i(stream_valid),
    .gemm_ready_o(stream_ready),
    .gemm_i      (stream_gemm),
    .tile_ready_i(tile_ready),
    .tile_taken_o(tile_taken),
    .issue_o     (issue),
    .retire_i    (retire),
    .idle_o      (streamer_idle),
    .stall_weight_o,
    .stall_wait_o,
    .state_o     (streamer_state)
  );
  assign busy_o = issue.token.valid;

  logic queue_re, act_re, score_re, max_re;
  logic [EXPERT_W-1:0] queue_expert;
  logic [TOKEN_W-1:0] queue_index, queue_token, max_addr;
  logic [15:0] queue_score;
  logic [ACT_SLICE_AW-1:0] act_addr;
  logic [SCORE_SLICE_AW-1:0] score_addr;
  logic [PK-1:0][7:0] act_slice;
  logic [PK-1:0][15:0] score_slice;
  logic signed [15:0] row_max;
  logic signed [8:0] x[PK];
  localparam int unsigned PROB_SUM_W = 8 + $clog2(PK);
  logic [PROB_SUM_W-1:0] prob_sum;

  peritus_operand_fetch u_operand_fetch (
    .clk_i,
    .rst_ni,
    .issue_i       (issue),
    .queue_re_o    (queue_re),
    .queue_expert_o(queue_expert),
    .queue_index_o (queue_index),
    .queue_token_i (queue_token),
    .queue_score_i (queue_score),
    .act_re_o      (act_re),
    .act_addr_o    (act_addr),
    .act_slice_i   (act_slice),
    .score_re_o    (score_re),
    .score_addr_o  (score_addr),
    .score_slice_i (score_slice),
    .max_re_o      (max_re),
    .max_addr_o    (max_addr),
    .max_i         (row_max),
    .token_o       (array_token),
    .x_o           (x),
    .prob_sum_o    (prob_sum)
  );

  // --- multiply, accumulate ---
  logic signed [21:0] sum[PN];
  logic signed [ACC_W-1:0] total[PN];

  peritus_mac_array #(
    .Dsp48e2(Dsp48e2)
  ) u_mac_array (
    .clk_i,
    .clk2x_i,
    .rst_ni,
    .row_we_i   (row_we),
    .row_count_i(row_count),
    .row_i      (row),
    .row_data_i (row_data),
    .col_we_i   (col_we),
    .col_i      (col),
    .col_data_i (col_data),
    .swap_i     (array_token.valid && array_token.swap),
    .x_i        (x),
    .sum_o      (sum)
  );

  localparam int unsigned MAC_LATENCY = AT_SUM - AT_ARRAY;

  // The token beside the array; token_at_array[i] is i cycles behind x.
  token_t token_at_array[MAC_LATENCY];
  assign token_at_array[0] = array_token;
  for (genvar i = 1; i < int'(MAC_LATENCY); i++) begin : gen_token
    always_ff @(posedge clk_i) begin
      token_at_array[i] <= token_at_array[i-1];
      if (!rst_ni) token_at_array[i].valid <= 1'b0;
    end
  end

  peritus_accumulator u_accumulator (
    .clk_i,
    .rst_ni,
    .token_i(token_at_array[MAC_LATENCY-2]),
    .sum_i  (sum),
    .total_o(total)
  );

  // --- softmax rows ---
  // Row sums are ready long before stage 2 wants their reciprocal.
  localparam int unsigned SUM_DELAY = adder_tree_latency(PK);
  localparam int unsigned RECIP_AT = AT_ARRAY + SUM_DELAY + 1 + RECIPROCAL_LATENCY;
  localparam int unsigned RECIP_WAIT = (AT_STAGE2 - 1) - RECIP_AT;
  logic [15:0] mantissa, mantissa_q[RECIP_WAIT];
  logic [5:0] recip_shift, recip_shift_q[RECIP_WAIT];
  token_t next_token, result_token, write_token;
  logic score_we;
  logic [PN-1:0][15:0] half;
  logic signed [15:0] z[PN];

  peritus_softmax_rows u_softmax_rows (
    .clk_i,
    .rst_ni,
    .next_token_i (next_token),
    .score_valid_i(result_token.valid && result_token.dst == DST_SCORES),
    .score_token_i(result_token),
    .score_i      (z),
    .max_re_i     (max_re),
    .max_addr_i   (max_addr),
    .max_o        (row_max),
    .prob_token_i (token_at_array[SUM_DELAY-2]),
    .prob_sum_i   (prob_sum),
    .mantissa_o   (mantissa),
    .shift_o      (recip_shift)
  );

  always_ff @(posedge clk_i) begin
    mantissa_q[0] <= mantissa;
    recip_shift_q[0] <= recip_shift;
    for (int i = 1; i < int'(RECIP_WAIT); i++) begin
      mantissa_q[i] <= mantissa_q[i-1];
      recip_shift_q[i] <= recip_shift_q[i-1];
    end
  end

  // --- epilogue and write-back ---
  token_t early_token;

  peritus_epilogue u_epilogue (
    .clk_i,
    .rst_ni,
    .params_i      (params),
    .params_taken_o(params_taken),
    .token_i       (token_at_array[MAC_LATENCY-1]),
    .total_i       (total),
    .mantissa_i    (mantissa_q[RECIP_WAIT-1]),
    .recip_shift_i (recip_shift_q[RECIP_WAIT-1]),
    .early_token_o (early_token),
    .next_token_o  (next_token),
    .token_o       (result_token),
    .z_o           (z)
  );

  logic wb_act_we, wb_kv_we, wb_res_we, wb_router_we, wb_res_re;
  logic [15:0] wb_addr;
  logic [PN-1:0][7:0] wb_byte;
  logic [PN-1:0][RES_W-1:0] wb_res, res_rdata;
  logic [RESIDUAL_AW-1:0] wb_res_raddr, wb_res_waddr;
  logic ri_next, ri_we, rc_re, rc_next, rc_we;
  logic [15:0] ri_waddr;
  logic [RESIDUAL_AW-1:0] rc_raddr, rc_waddr;
  logic [PN-1:0][RES_W-1:0] ri_wdata, rc_wdata;

  peritus_write_back u_write_back (
    .clk_i,
    .rst_ni,
    .early_token_i(early_token),
    .token_i      (result_token),
    .z_i          (z),
    .init_next_i  (ri_next || rc_next),
    .init_we_i    (ri_we || rc_we),
    .init_addr_i  (rc_we ? rc_waddr : RESIDUAL_AW'(ri_waddr)),
    .init_data_i  (rc_we ? rc_wdata : ri_wdata),
    .res_re_o     (wb_res_re),
    .res_raddr_o  (wb_res_raddr),
    .res_rdata_i  (res_rdata),
    .res_we_o     (wb_res_we),
    .res_addr_o   (wb_res_waddr),
    .res_o        (wb_res),
    .act_we_o     (wb_act_we),
    .kv_we_o      (wb_kv_we),
    .score_we_o   (score_we),
    .router_we_o  (wb_router_we),
    .addr_o       (wb_addr),
    .byte_o       (wb_byte),
    .half_o       (half),
    .token_o      (write_token),
    .retire_o     (retire)
  );

  // --- router ---
  logic router_busy;
  logic signed [15:0] logits[MAX_EXPERTS];
  always_comb begin
    for (int e = 0; e < int'(MAX_EXPERTS); e++) logits[e] = signed'(half[e]);
  end

  peritus_router u_router (
    .clk_i,
    .rst_ni,
    .start_i   (router_start),
    .append_i  (gemm.instr.dst_base != '0),
    .experts_i (gemm.instr.width[EXPERT_W:0]),
    .top_k_i   (gemm.instr.top_k),
    .tokens_i  (gemm.count),
    .valid_i   (wb_router_we),
    .token_i   (write_token.token),
    .logits_i  (logits),
    .busy_o    (router_busy),
    .count_o   (expert_count),
    .q_re_i    (queue_re),
    .q_expert_i(queue_expert),
    .q_index_i (queue_index),
    .q_token_o (queue_token),
    .q_score_o (queue_score)
  );

  always_ff @(posedge clk_i) begin
    for (int e = 0; e < int'(MAX_EXPERTS); e++) idle_experts_o[e] <= expert_count[e] == '0;
  end

  assign all_idle = loader_idle && streamer_idle && !stream_valid && !router_busy && layernorm_idle;

  // --- units that read the weight stream ---
  logic ln_w_ready, ln_res_re, ln_act_we, ri_w_ready, keep_we;
  logic [RESIDUAL_AW-1:0] ln_res_raddr;
  logic [ACT_AW-1:0] ln_act_waddr;
  logic [PN-1:0][7:0] ln_act_wdata;

  peritus_layernorm u_layernorm (
    .clk_i,
    .rst_ni,
    .start_i    (layernorm_start),
    .instr_i    (instr),
    .done_o     (layernorm_done),
    .idle_o     (layernorm_idle),
    .w_valid_i,
    .w_data_i,
    .w_ready_o  (ln_w_ready),
    .res_re_o   (ln_res_re),
    .res_raddr_o(ln_res_raddr),
    .res_rdata_i(res_rdata),
    .act_we_o   (ln_act_we),
    .act_waddr_o(ln_act_waddr),
    .act_wdata_o(ln_act_wdata)
  );

  peritus_res_init u_res_init (
    .clk_i,
    .rst_ni,
    .start_i  (res_init_start),
    .instr_i  (instr),
    .done_o   (res_init_done),
    .w_valid_i,
    .w_data_i,
    .w_ready_o(ri_w_ready),
    .next_o   (ri_next),
    .we_o     (ri_we),
    .keep_we_o(keep_we),
    .waddr_o  (ri_waddr),
    .wdata_o  (ri_wdata)
  );

  peritus_res_copy u_res_copy (
    .clk_i,
    .rst_ni,
    .start_i(res_copy_start),
    .instr_i(instr),
    .done_o (res_copy_done),
    .re_o   (rc_re),
    .raddr_o(rc_raddr),
    .rdata_i(res_rdata),
    .next_o (rc_next),
    .we_o   (rc_we),
    .waddr_o(rc_waddr),
    .wdata_o(rc_wdata)
  );

  assign w_ready_o = loader_w_ready || ln_w_ready || ri_w_ready || pad_ready;
  assign unit_pop = w_valid_i && (ln_w_ready || ri_w_ready);
  assign seg_done_o = loader_seg_done || unit_seg_done;

  // --- memories ---
  localparam int unsigned ACT_CHUNK = (AXI_BYTES < PK) ? AXI_BYTES : PK;
  localparam int unsigned ACT_CHUNKS = PN / ACT_CHUNK;
  logic [ACT_CHUNKS-1:0] act_be;
  always_comb begin
    for (int c = 0; c < int'(ACT_CHUNKS); c++) begin
      act_be[c] = !img_we_i || img_wbe_i[c*int'(ACT_CHUNK)/int'(AXI_BYTES)];
    end
  end

  peritus_slice_memory #(
    .LaneW     (8),
    .ChunkLanes(ACT_CHUNK),
    .Words     (ACT_WORDS),
    .Style     ("ultra")
  ) u_act (
    .clk_i,
    .we_i        (wb_act_we || ln_act_we || img_we_i),
    .be_i        (act_be),
    .waddr_i     (img_we_i ? img_waddr_i : ln_act_we ? ln_act_waddr : ACT_AW'(wb_addr)),
    .wdata_i     (img_we_i ? img_wdata_i : ln_act_we ? ln_act_wdata : wb_byte),
    .re_i        (act_re),
    .slice_addr_i(act_addr),
    .slice_o     (act_slice)
  );

  peritus_slice_memory #(
    .LaneW     (16),
    .ChunkLanes(PK),
    .Words     (SCORE_WORDS),
    .Style     ("block")
  ) u_score (
    .clk_i,
    .we_i        (score_we),
    .be_i        ('1),
    .waddr_i     (SCORE_AW'(wb_addr)),
    .wdata_i     (half),
    .re_i        (score_re),
    .slice_addr_i(score_addr),
    .slice_o     (score_slice)
  );

  peritus_ram_1r1w #(
    .Width(PN * 8),
    .Depth(KV_WORDS),
    .Style("block")
  ) u_kv (
    .clk_i,
    .we_i   (wb_kv_we),
    .waddr_i(KV_AW'(wb_addr)),
    .wdata_i(wb_byte),
    .re_i   (kv_re),
    .raddr_i(kv_raddr),
    .rdata_o(kv_rdata)
  );

  peritus_ram_1r1w #(
    .Width(PN * RES_W),
    .Depth(RESIDUAL_WORDS),
    .Style("block")
  ) u_residual (
    .clk_i,
    .we_i   (wb_res_we),
    .waddr_i(wb_res_waddr),
    .wdata_i(wb_res),
    .re_i   (wb_res_re || ln_res_re || rc_re || st_re_i),
    .raddr_i(st_re_i ? st_raddr_i : ln_res_re ? ln_res_raddr : rc_re ? rc_raddr : wb_res_raddr),
    .rdata_o(res_rdata)
  );
  assign st_rdata_o = res_rdata;

  if (RESIDENT_WORDS != 0) begin : gen_resident
    logic [PN-1:0][15:0] kept;
    always_comb begin
      for (int n = 0; n < int'(PN); n++) kept[n] = ri_wdata[n][15:0];
    end

    peritus_resident u_resident (
      .clk_i,
      .rst_ni,
      .we_i        (keep_we),
      .waddr_i     (RESIDENT_AW'(ri_waddr)),
      .wdata_i     (kept),
      .start_i     (resident_start),
      .start_addr_i(resident_addr),
      .valid_o     (resident_valid),
      .ready_i     (resident_ready),
      .data_o      (resident_data)
    );
  end else begin : gen_no_resident
    assign resident_valid = 1'b0;
    assign resident_data  = '0;

    logic unused_resident;
    assign unused_resident = &{resident_start, resident_addr, resident_ready, keep_we};
  end

`ifndef SYNTHESIS
  // A GEMM that streams what LayerNorm has not finished finds neither of the memories' ports taken.
  assert property (@(posedge clk_i) disable iff (!rst_ni) !(ln_act_we && (wb_act_we || img_we_i)))
  else $error("core: two writes to the activation memory");
  assert property (@(posedge clk_i) disable iff (!rst_ni) !(ln_res_re && (wb_res_re || rc_re || st_re_i)))
  else $error("core: two reads of the residual memory");
`endif

  // The compiler leaves out waits on the strength of these two bounds. A row maximum is the last result of a row:
  // write register, comparison tree, update, memory. The residual is read three cycles before z and written one after.
  if (AT_RESULT + 1 + $clog2(PN) + 2 + 2 > RESULT_LATENCY) begin : gen_result_latency
    $error("core: results take longer than RESULT_LATENCY = %0d cycles", RESULT_LATENCY);
  end
  if (3 + 1 + 2 > UPDATE_LATENCY) begin : gen_update_latency
    $error("core: residual updates take longer than UPDATE_LATENCY = %0d cycles", UPDATE_LATENCY);
  end

endmodule

`default_nettype wire
