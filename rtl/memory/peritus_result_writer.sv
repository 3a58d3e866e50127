// SPDX-License-Identifier: Apache-2.0
// STORE: writes rows of the residual memory to DDR as int16, linearly, in the order of a pixel-shuffled image.
//
//   for y in keys: for sy in k_tiles: for x in tokens: for i in n_tiles:
//     beat = lanes [sy * n_tiles + i] of the row at src_base + (y * tokens + x) * src_stride, LANES int16 each
//     DDR address += AXI_BYTES, from base + imm
//
// A lane is the residual saturated to 16 bits. The base is the job's output address, or its features address for an
// instruction with features_only; each has a guard window of its own.
// Reads of the residual memory are issued only for beats that have a place in the FIFO before the AXI writer.
// done_o comes when every write response has arrived.

`default_nettype none

module peritus_result_writer
  import peritus_pkg::*;
  import peritus_control_pkg::window_t;
(
  input  logic                       clk_i,
  input  logic                       rst_ni,
  input  logic                       valid_i,
  output logic                       ready_o,
  input  exec_instr_t                instr_i,       // stays a cycle longer; own fields are read
  output logic                       done_o,
  input  logic [ADDR_W-1:0]          output_addr_i,
  input  logic [ADDR_W-1:0]          features_addr_i,
  input  window_t                    output_window_i,
  input  window_t                    features_window_i,
  output logic                       features_o,    // the present instruction writes features
  // residual memory, data two cycles after re_o
  output logic                       re_o,
  output logic [RESIDUAL_AW-1:0]     raddr_o,
  input  logic [PN-1:0][RES_W-1:0]   rdata_i,
  // AXI writer
  output logic                       req_valid_o,
  input  logic                       req_ready_i,
  output logic [ADDR_W-1:0]          req_addr_o,
  output logic [4:0]                 req_beats_o,
  output logic                       violation_o,
  output logic                       beat_valid_o,
  input  logic                       beat_ready_i,
  output logic [AXI_BYTES*8-1:0]     beat_data_o,
  input  logic                       writer_idle_i  // all responses have arrived
);

  localparam int unsigned LANES = AXI_BYTES / 2;
  localparam int unsigned CHUNKS = PN / LANES;
  localparam int unsigned SUB_W = (CHUNKS > 1) ? $clog2(CHUNKS) : 1;
  localparam int unsigned FIFO_DEPTH = 8;
  localparam int unsigned CREDIT_W = $clog2(FIFO_DEPTH + 1);

  // One position in the pipeline from address to beat.
  typedef struct packed {
    logic             valid;
    logic             last;
    logic [SUB_W-1:0] sub;
  } tag_t;

  function automatic logic [15:0] saturate(logic [RES_W-1:0] value);
    logic negative, fits;
    negative = value[RES_W-1];
    fits     = value[RES_W-1:15] == {(RES_W - 15){negative}};
    return fits ? value[15:0] : {negative, {15{!negative}}};
  endfunction

  logic busy_q, requesting_q, reading_q, drained_q;
  logic start, build_ready, built_valid, built_ready;
  logic last_request;
  /* verilator lint_off UNUSEDSIGNAL */
  logic [2:0] request_wrap;  // only the end matters here
  /* verilator lint_on UNUSEDSIGNAL */
  logic [ADDR_W-1:0] built_addr;
  logic [4:0] built_beats;

  assign ready_o = !busy_q;
  assign start   = valid_i && ready_o;

  // ---- requests; one cycle after start, when the address has been added up ----
  logic begin_q;
  logic [ADDR_W-1:0] addr_q;

  peritus_loop_nest u_request_loops (
    .clk_i,
    .start_i(begin_q),
    .n0_i   (instr_i.keys),
    .n1_i   (instr_i.k_tiles),
    .n2_i   (instr_i.tokens),
    .n3_i   (instr_i.n_tiles),
    .step_i (requesting_q && build_ready),
    .wrap_o (request_wrap),
    .last_o (last_request)
  );

  peritus_burst_builder u_bursts (
    .clk_i,
    .rst_ni,
    .start_i    (begin_q),
    .addr_i     (addr_q),
    .step_i     (requesting_q),
    .last_i     (last_request),
    .ready_o    (build_ready),
    .req_valid_o(built_valid),
    .req_ready_i(built_ready),
    .req_addr_o (built_addr),
    .req_beats_o(built_beats)
  );

  peritus_guard u_guard (
    .clk_i,
    .rst_ni,
    .window_i   (features_o ? features_window_i : output_window_i),
    .req_valid_i(built_valid),
    .req_ready_o(built_ready),
    .req_addr_i (built_addr),
    .req_beats_i(built_beats),
    .req_valid_o,
    .req_ready_i,
    .req_addr_o,
    .req_beats_o,
    .violation_o
  );

  // ---- data: walker -> residual memory (2 cycles) -> lanes, saturated -> FIFO ----
  logic [RESIDUAL_AW-1:0] word;
  logic [SUB_W-1:0] sub;
  logic step, last;
  logic [CREDIT_W-1:0] credit_q;  // places in the FIFO not spoken for
  tag_t tag_q[4];
  logic [AXI_BYTES*8-1:0] lanes_q;
  logic pop, pop_last;
  /* verilator lint_off UNUSEDSIGNAL */
  logic fifo_ready;  // always true: places are counted by credit_q
  /* verilator lint_on UNUSEDSIGNAL */

  peritus_patch_walker #(
    .AddrW        (RESIDUAL_AW),
    .ChunksPerWord(CHUNKS)
  ) u_walker (
    .clk_i,
    .start_i (start),
    .base_i  (RESIDUAL_AW'(instr_i.src_base)),
    .stride_i(RESIDUAL_AW'(instr_i.src_stride)),
    .n0_i    (instr_i.keys),
    .n1_i    (instr_i.k_tiles),
    .n2_i    (instr_i.tokens),
    .n3_i    (instr_i.n_tiles),
    .step_i  (step),
    .word_o  (word),
    .sub_o   (sub),
    .last_o  (last)
  );

  peritus_fifo #(
    .Width(1 + AXI_BYTES * 8),
    .Depth(FIFO_DEPTH)
  ) u_beats (
    .clk_i,
    .rst_ni,
    .clear_i(1'b0),
    .valid_i(tag_q[3].valid),
    .ready_o(fifo_ready),
    .data_i ({tag_q[3].last, lanes_q}),
    .valid_o(beat_valid_o),
    .ready_i(beat_ready_i),
    .data_o ({pop_last, beat_data_o})
  );

  assign step = reading_q && credit_q != 0;
  assign pop  = beat_valid_o && beat_ready_i;
  assign re_o = tag_q[0].valid;

  always_ff @(posedge clk_i) begin
    if (step) raddr_o <= word;
    if (tag_q[2].valid) begin
      for (int l = 0; l < int'(LANES); l++) begin
        lanes_q[16*l+:16] <= saturate(rdata_i[int'(tag_q[2].sub)*int'(LANES)+l]);
      end
    end
    if (start) begin
      features_o <= instr_i.features_only;
      addr_q     <= (instr_i.features_only ? features_addr_i : output_addr_i) + ADDR_W'(instr_i.imm);
    end

    if (!rst_ni) begin
      busy_q       <= 1'b0;
      begin_q      <= 1'b0;
      requesting_q <= 1'b0;
      reading_q    <= 1'b0;
      drained_q    <= 1'b0;
      done_o       <= 1'b0;
      credit_q     <= CREDIT_W'(FIFO_DEPTH);
      tag_q        <= '{default: '0};
    end else begin
      begin_q <= start;
      if (begin_q) requesting_q <= 1'b1;
      else if (build_ready && last_request) requesting_q <= 1'b0;
      if (start) reading_q <= 1'b1;
      else if (step && last) reading_q <= 1'b0;
      if (step != pop) credit_q <= step ? credit_q - 1'b1 : credit_q + 1'b1;
      tag_q[0] <= '{valid: step, last: last, sub: sub};
      for (int i = 1; i < 4; i++) tag_q[i] <= tag_q[i-1];

      // The last beat has been taken: only responses are missing.
      if (pop && pop_last) drained_q <= 1'b1;
      else if (done_o) drained_q <= 1'b0;
      done_o <= drained_q && writer_idle_i && !done_o;
      if (start) busy_q <= 1'b1;
      else if (done_o) busy_q <= 1'b0;
    end
  end

endmodule

`default_nettype wire
