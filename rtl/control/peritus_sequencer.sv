// SPDX-License-Identifier: Apache-2.0
// Runs a job: fetches instructions in order, skips those predicated off (task, features, first job) and dispatches the rest.
//
//   GEMM    goes to the tile loader and the streamer, which run ahead of each other; sync waits for all before it.
//           Its row count is fixed here: tokens, or the queue length of its expert. An idle expert's weights are
//           dropped from the stream instead.
//   others  begin when everything before has retired and hold the sequencer until they are done; those that read
//           the weight stream have their segment's padding popped here.
//   STORE   holds nothing: the sequencer goes on, and what comes next waits for it. All but LOAD_IMAGE, which
//           touches nothing that is stored, and END.
//   END     ends the job here; it is reported when its last result is written. The next job may begin before, and
//           load its image.
//
// Illegal instructions and err_i stop the sequencer until reset; state_o names pc and state.

`default_nettype none

module peritus_sequencer
  import peritus_pkg::*;
  import peritus_core_pkg::*;
(
  input  logic                  clk_i,
  input  logic                  rst_ni,
  // jobs
  input  logic                  job_valid_i,
  output logic                  job_ready_o,
  input  job_t                  job_i,
  output logic                  job_done_o,
  output logic [31:0]           job_done_seq_o,
  output logic                  fetch_start_o,
  // program memory, data two cycles after the request
  output logic                  prog_re_o,
  output logic [PROGRAM_AW-1:0] prog_raddr_o,
  input  exec_instr_t           prog_rdata_i,
  // GEMM pipeline
  output logic                  gemm_valid_o,
  input  logic                  gemm_ready_i,
  output gemm_t                 gemm_o,
  input  logic                  loader_idle_i,   // every earlier segment consumed
  input  logic                  all_idle_i,      // every earlier result written
  input  logic [COUNT_W-1:0]    expert_count_i [MAX_EXPERTS],
  output logic                  router_start_o,
  output logic [7:0]            gates_o,         // gates of this job that have emptied the queues
  output logic                  routed_o,        // the queues are complete
  // units: one-hot start pulse by opcode, then done
  output exec_instr_t           instr_o,
  output logic                  image_valid_o,
  input  logic                  image_ready_i,
  output logic                  store_valid_o,
  input  logic                  store_ready_i,
  output logic                  layernorm_start_o,
  output logic                  res_init_start_o,
  output logic                  res_copy_start_o,
  input  logic                  unit_done_i,     // of the unit started last, but for a STORE
  input  logic                  store_done_i,
  output logic [15:0]           store_pc_o,      // of the STORE started last
  // weight stream: padding of unit segments, drops
  input  logic                  unit_pop_i,      // a unit pops a word
  input  logic                  w_valid_i,
  output logic                  pad_ready_o,
  output logic                  seg_done_o,
  output logic                  drop_valid_o,
  output logic [15:0]           drop_stripes_o,
  input  logic                  drop_ready_i,
  // errors and state
  input  logic                  err_i,
  output logic [3:0]            err_o,           // 0 none, 1 opcode, 2 count, 3 past the end of the program
  output logic [15:0]           pc_o,
  output logic [7:0]            state_o
);

  localparam int unsigned PAD_W = $clog2(STRIPE_WORDS) + 1;

  typedef enum logic [3:0] {
    IDLE,
    READ,
    WAIT,
    DECODE,
    DRAIN,
    GEMM,
    DROP,
    START,
    BUSY,
    PAD,
    STOPPED
  } state_e;
  state_e state_q;
  job_t job_q;
  logic [PROGRAM_AW:0] pc_q;
  exec_instr_t instr_q;
  logic [COUNT_W-1:0] count_q;
  logic router_pending_q;  // counts are not final until everything has drained
  logic storing_q;  // a STORE is at work
  logic ending_q;  // a job has ended, but for its results
  logic [PAD_W-1:0] popped_q;  // words the unit popped of the current stripe

  logic skip, is_gemm, wait_drain, uses_stream, wait_store;
  assign skip = !prog_rdata_i.task_mask[job_q.task_id] || (prog_rdata_i.features_only && !job_q.features_en)
              || (prog_rdata_i.cold_only && !job_q.cold);
  assign is_gemm = instr_q.opcode == OP_GEMM;
  assign wait_drain = !is_gemm || instr_q.sync || (instr_q.expert_valid && router_pending_q);
  assign uses_stream = instr_q.opcode inside {OP_LAYERNORM, OP_RES_INIT, OP_KEEP};
  assign wait_store = (instr_q.opcode == OP_END) ? ending_q : storing_q && instr_q.opcode != OP_LOAD_IMAGE;

  // A gate whose tokens come behind those of the gate before.
  logic appends;
  assign appends  = is_gemm && instr_q.dst == DST_ROUTER && instr_q.dst_base != '0;
  assign routed_o = gates_o != '0 && !router_pending_q;

  // Rows: a static count, or the expert's queue length, read when it is final.
  logic [COUNT_W-1:0] queued;
  assign queued = expert_count_i[EXPERT_W'(instr_q.expert)];

  // A count of zero would keep a unit waiting for ever; others exceed what there is. END has no counts.
  logic gathers, blocks, bad_count;
  assign gathers = is_gemm && instr_q.expert_valid;
  assign blocks = instr_q.opcode inside {OP_LOAD_IMAGE, OP_STORE};
  assign bad_count = instr_q.n_tiles == '0 || (instr_q.tokens == '0 && !gathers)
                  || (instr_q.k_tiles == '0 && (is_gemm || blocks))
                  || (instr_q.keys == '0 && blocks)
                  || (is_gemm && !gathers && 32'(instr_q.tokens) > ACC_DEPTH)
                  || (gathers && 32'(instr_q.expert) >= MAX_EXPERTS)
                  || (instr_q.opcode == OP_LAYERNORM
                      && (instr_q.width == '0 || 32'(instr_q.n_tiles) > MAX_D_WORDS
                          || 32'(instr_q.width) > PN * 32'(instr_q.n_tiles)));

  assign job_ready_o = state_q == IDLE && !err_i;
  assign prog_re_o = state_q == READ;
  assign prog_raddr_o = PROGRAM_AW'(pc_q);
  assign gemm_valid_o = state_q == GEMM;
  assign gemm_o = '{count: count_q, instr: instr_q};
  assign router_start_o = state_q == GEMM && gemm_ready_i && instr_q.dst == DST_ROUTER;
  assign instr_o = instr_q;
  assign image_valid_o = state_q == START && instr_q.opcode == OP_LOAD_IMAGE;
  assign store_valid_o = state_q == START && instr_q.opcode == OP_STORE;
  assign layernorm_start_o = state_q == START && instr_q.opcode == OP_LAYERNORM;
  assign res_init_start_o = state_q == START && instr_q.opcode inside {OP_RES_INIT, OP_KEEP};
  assign res_copy_start_o = state_q == START && instr_q.opcode == OP_COPY;
  assign pad_ready_o = state_q == PAD && popped_q != '0;
  assign drop_valid_o = state_q == DROP && loader_idle_i;
  assign drop_stripes_o = instr_q.imm[15:0];
  assign job_done_o = ending_q && (!storing_q || store_done_i) && !err_i;
  assign pc_o = 16'(pc_q);
  assign state_o = 8'(state_q);

  logic started;
  assign started = (image_valid_o && image_ready_i)
                || layernorm_start_o || res_init_start_o || res_copy_start_o;

  always_ff @(posedge clk_i) begin
    fetch_start_o <= 1'b0;
    seg_done_o <= 1'b0;
    if (store_done_i) storing_q <= 1'b0;
    if (job_done_o || err_i) ending_q <= 1'b0;
    if (unit_pop_i || (pad_ready_o && w_valid_i)) begin
      popped_q <= (popped_q == PAD_W'(STRIPE_WORDS - 1)) ? '0 : popped_q + 1'b1;
    end

    unique case (state_q)
      IDLE: begin
        if (job_valid_i && !err_i) begin
          job_q <= job_i;
          pc_q <= '0;
          router_pending_q <= 1'b0;
          gates_o <= '0;
          fetch_start_o <= 1'b1;
          state_q <= READ;
        end
      end
      READ: begin
        state_q <= WAIT;
        if (32'(pc_q) >= PROGRAM_DEPTH) begin
          err_o <= 4'd3;
          state_q <= STOPPED;
        end
      end
      WAIT: state_q <= DECODE;
      DECODE: begin
        instr_q <= prog_rdata_i;
        popped_q <= '0;
        state_q <= DRAIN;
        if (skip) begin
          pc_q <= pc_q + 1'b1;
          state_q <= READ;
        end
      end
      DRAIN: begin
        count_q <= instr_q.expert_valid ? queued : COUNT_W'(instr_q.tokens);
        if ((!wait_drain || all_idle_i) && !wait_store) begin
          if (all_idle_i && !appends) router_pending_q <= 1'b0;
          unique case (instr_q.opcode)
            OP_GEMM: state_q <= (gathers && queued == '0) ? DROP : GEMM;
            OP_LOAD_IMAGE, OP_RES_INIT, OP_LAYERNORM, OP_STORE, OP_KEEP, OP_COPY: state_q <= START;
            OP_END: begin
              ending_q <= 1'b1;
              job_done_seq_o <= job_q.seq;
              state_q <= IDLE;
            end
            default: begin
              err_o <= 4'd1;
              state_q <= STOPPED;
            end
          endcase
          if (bad_count && (is_gemm || blocks || uses_stream || instr_q.opcode == OP_COPY)) begin
            err_o <= 4'd2;
            state_q <= STOPPED;
          end
        end
      end
      GEMM: begin
        if (gemm_ready_i) begin
          if (instr_q.dst == DST_ROUTER) begin
            router_pending_q <= 1'b1;
            if (!appends) gates_o <= gates_o + 8'd1;
          end
          pc_q <= pc_q + 1'b1;
          state_q <= READ;
        end
      end
      DROP: begin
        if (loader_idle_i && drop_ready_i) begin
          pc_q <= pc_q + 1'b1;
          state_q <= READ;
        end
      end
      START: begin
        if (store_valid_o && store_ready_i) begin
          storing_q <= 1'b1;
          store_pc_o <= pc_o;
          pc_q <= pc_q + 1'b1;
          state_q <= READ;
        end else if (started) begin
          state_q <= BUSY;
        end
      end
      BUSY: begin
        if (unit_done_i) begin
          pc_q <= pc_q + 1'b1;
          state_q <= uses_stream ? PAD : READ;
        end
      end
      PAD: begin
        if (popped_q == '0) begin
          seg_done_o <= 1'b1;
          state_q <= READ;
        end
      end
      default: state_q <= STOPPED;
    endcase

    if (err_i) state_q <= STOPPED;
    if (!rst_ni) begin
      state_q <= IDLE;
      storing_q <= 1'b0;
      ending_q <= 1'b0;
      gates_o <= '0;
      err_o <= '0;
      pc_q <= '0;
    end
  end

endmodule

`default_nettype wire
