// SPDX-License-Identifier: Apache-2.0
// Says of every cycle of a job for which instruction the machine was, and what kept it: one cause, seen from the array.
//
// The array takes tokens in program order, so the instruction it is at, or waits for, is one: the streamer's, else the
// next in the streamer's queue, else the sequencer's. While a STORE writes it is that, also when the next job has begun
// and loads its image: the next frame's cycles are counted from this one's end on. A change of instruction or cause is
// reported to the harness (sim/cycle_trace.hpp); the names of the causes are those of peritus.runtime.timeline.
// Simulation only (sim/cycle_bind.sv).

`default_nettype none

module peritus_cycle_monitor
  import peritus_pkg::*;
(
  input logic        clk_i,
  input logic        rst_ni,
  // sequencer
  input logic [7:0]  sequencer_i,      // state_e of peritus_sequencer
  input logic [15:0] pc_i,
  input op_e         opcode_i,
  input logic        waits_i,          // its instruction begins when everything before it has ended
  input logic        push_i,           // a GEMM enters the queues
  input logic        storing_i,        // a result is being written
  input logic [15:0] store_pc_i,       // by this STORE
  input logic        ending_i,         // the job has ended, but for its results
  input logic        done_i,           // this is its last cycle
  // tile loader
  input logic [7:0]  loader_i,         // state_e of peritus_tile_loader
  input logic        loader_idle_i,
  input logic        params_pending_i, // parameters wait for the epilogue
  input logic        params_i,         // parameters come from the stream
  input logic        w_valid_i,
  input logic        word_valid_i,     // the loader has a word, of the stream or of what stays on chip
  input logic        unit_wants_i,     // LayerNorm or RES_INIT pops words
  // streamer
  input logic        accept_i,         // it takes a GEMM from its queue
  input logic        queued_i,         // there is one
  input logic        running_i,
  input logic        go_i,             // it issues a token
  input logic        tile_ready_i,
  input logic        streamer_idle_i,
  input logic        router_busy_i,
  input logic        layernorm_idle_i
);

  import "DPI-C" function void peritus_trace_cycle(
    input int instruction,
    input string cause
  );

  typedef enum logic [4:0] {
    IDLE,
    ARRAY,
    MINIMUM_PASS,
    LOADER,
    PARAMETERS,
    KEYS_VALUES,
    WEIGHTS,
    DRAIN,
    ROUTER,
    SEQUENCER,
    IDLE_EXPERT,
    IMAGE,
    POSITIONS,
    LAYERNORM,
    RESULT,
    RESIDENT,
    COPY
  } cause_e;

  // States of the two machines that are watched, by their order.
  localparam logic [7:0] SEQ_IDLE = 0, SEQ_DRAIN = 4, SEQ_DROP = 6, SEQ_START = 7, SEQ_BUSY = 8, SEQ_PAD = 9;
  localparam logic [7:0] LOAD_PARAMS = 1, LOAD_WEIGHTS = 3, LOAD_KV = 4, LOAD_KV_DRAIN = 5, LOAD_PAD = 7;

  // The GEMMs on their way: numbers of the instructions, oldest first.
  localparam int unsigned WAITING = 8;
  logic [15:0] waiting_q[WAITING];
  logic [2:0] write_q, read_q;
  logic [15:0] streamed_q;

  cause_e of_loader, of_unit, of_sequencer, cause, last_q;
  logic [15:0] instruction, last_instruction_q;
  logic done_q;

  always_comb begin
    of_loader = LOADER;
    unique case (loader_i)
      LOAD_PARAMS:
      if (params_pending_i || !params_i || word_valid_i) of_loader = PARAMETERS;
      else of_loader = WEIGHTS;
      LOAD_WEIGHTS, LOAD_PAD: if (!word_valid_i) of_loader = WEIGHTS;
      LOAD_KV, LOAD_KV_DRAIN: of_loader = KEYS_VALUES;
      default: of_loader = LOADER;
    endcase
  end

  always_comb begin
    unique case (opcode_i)
      OP_LOAD_IMAGE: of_unit = IMAGE;
      OP_RES_INIT: of_unit = POSITIONS;
      OP_KEEP: of_unit = RESIDENT;
      OP_COPY: of_unit = COPY;
      OP_LAYERNORM: of_unit = LAYERNORM;
      default: of_unit = RESULT;
    endcase
    if (unit_wants_i && !w_valid_i) of_unit = WEIGHTS;

    of_sequencer = SEQUENCER;
    unique case (sequencer_i)
      SEQ_DRAIN: begin
        if (!waits_i) of_sequencer = SEQUENCER;
        else if (!streamer_idle_i) of_sequencer = DRAIN;
        else if (router_busy_i) of_sequencer = ROUTER;
        else if (!loader_idle_i) of_sequencer = of_loader;
        else if (!layernorm_idle_i) of_sequencer = LAYERNORM;
      end
      SEQ_DROP: of_sequencer = IDLE_EXPERT;
      SEQ_START, SEQ_BUSY, SEQ_PAD: of_sequencer = of_unit;
      default: of_sequencer = SEQUENCER;
    endcase
  end

  always_comb begin
    instruction = (sequencer_i == SEQ_PAD) ? pc_i - 1'b1 : pc_i;  // the sequencer is one ahead there
    cause = of_sequencer;
    if (storing_i) begin
      instruction = store_pc_i;
      cause = RESULT;
    end else if (ending_i) begin
      cause = SEQUENCER;
    end else if (sequencer_i == SEQ_IDLE) begin
      cause = IDLE;
    end else if (running_i) begin
      instruction = streamed_q;
      cause = go_i ? ARRAY : tile_ready_i ? MINIMUM_PASS : of_loader;
    end else if (queued_i) begin
      instruction = waiting_q[read_q];
      cause = streamer_idle_i ? SEQUENCER : DRAIN;
    end
  end

  always_ff @(posedge clk_i) begin
    if (push_i) begin
      waiting_q[write_q] <= pc_i;
      write_q <= write_q + 1'b1;
    end
    if (accept_i) begin
      streamed_q <= waiting_q[read_q];
      read_q <= read_q + 1'b1;
    end
    last_q <= cause;
    last_instruction_q <= instruction;
    done_q <= done_i;
    if (!rst_ni) begin
      write_q <= '0;
      read_q <= '0;
      last_q <= IDLE;
      done_q <= 1'b0;
    end else if (cause != last_q || (cause != IDLE && (done_q || instruction != last_instruction_q))) begin
      // Where a job ends and the next is there already.
      if (done_q && cause != IDLE) peritus_trace_cycle(32'(instruction), "IDLE");
      peritus_trace_cycle(32'(instruction), cause.name());
    end
  end

endmodule

`default_nettype wire
