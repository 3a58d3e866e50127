// SPDX-License-Identifier: Apache-2.0
// LOAD_IMAGE: reads the image linearly from DDR and scatters patch rows into patch vectors in the activation memory.
//
//   for py in keys: for ky in k_tiles: for px in tokens: for b in n_tiles:
//     byte address = (dst_base + (py * tokens + px) * dst_stride) * PN + (ky * n_tiles + b) * AXI_BYTES
//     activation   = beat, every byte XOR 0x80       -- uint8 pixel -> int8 pixel - 128
//
// so a patch vector has channel order (ky, kx, c). Two walkers run over the same loops: one counts beats into burst
// requests, one follows the data, and begins a cycle later (its start is a register, for it reaches all of its counters:
// instr_i must stay so long). Writes are registered and never stalled; done_o comes with the last write.
// Latency: 2 cycles from a beat to its write.

`default_nettype none

module peritus_image_loader
  import peritus_pkg::*;
  import peritus_control_pkg::window_t;
(
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic                    valid_i,
  output logic                    ready_o,
  input  exec_instr_t             instr_i,        // fields of other instructions are not read
  output logic                    done_o,
  input  logic [ADDR_W-1:0]       image_addr_i,
  input  window_t                 window_i,
  // AXI reader
  output logic                    req_valid_o,
  input  logic                    req_ready_i,
  output logic [ADDR_W-1:0]       req_addr_o,
  output logic [4:0]              req_beats_o,
  output logic                    violation_o,
  input  logic                    beat_valid_i,
  input  logic [AXI_BYTES*8-1:0]  beat_data_i,
  // activation memory
  output logic                    we_o,
  output logic [ACT_AW-1:0]       waddr_o,
  output logic [PN*8-1:0]         wdata_o,
  output logic [PN/AXI_BYTES-1:0] wbe_o           // one bit per beat of the word
);

  localparam int unsigned CHUNKS = PN / AXI_BYTES;
  localparam int unsigned SUB_W = (CHUNKS > 1) ? $clog2(CHUNKS) : 1;

  logic busy_q, requesting_q, begin_q;
  logic start, build_ready, built_valid, built_ready, last_beat;
  logic last_request;
  /* verilator lint_off UNUSEDSIGNAL */
  logic [2:0] request_wrap;  // only the end matters here
  /* verilator lint_on UNUSEDSIGNAL */
  logic [ADDR_W-1:0] built_addr;
  logic [4:0] built_beats;
  logic [ACT_AW-1:0] word;
  logic [SUB_W-1:0] sub;

  assign ready_o = !busy_q;
  assign start   = valid_i && ready_o;

  // ---- requests ----
  peritus_loop_nest u_request_loops (
    .clk_i,
    .start_i(start),
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
    .start_i    (start),
    .addr_i     (image_addr_i),
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
    .window_i,
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

  // ---- data ----
  peritus_patch_walker #(
    .AddrW        (ACT_AW),
    .ChunksPerWord(CHUNKS)
  ) u_walker (
    .clk_i,
    .start_i (begin_q),
    .base_i  (ACT_AW'(instr_i.dst_base)),
    .stride_i(ACT_AW'(instr_i.dst_stride)),
    .n0_i    (instr_i.keys),
    .n1_i    (instr_i.k_tiles),
    .n2_i    (instr_i.tokens),
    .n3_i    (instr_i.n_tiles),
    .step_i  (beat_valid_i),
    .word_o  (word),
    .sub_o   (sub),
    .last_o  (last_beat)
  );

  always_ff @(posedge clk_i) begin
    begin_q <= start;
    if (beat_valid_i) begin
      waddr_o <= word;
      wdata_o <= {CHUNKS{beat_data_i ^ {AXI_BYTES{8'h80}}}};
      wbe_o   <= CHUNKS'(1) << sub;
    end
    if (!rst_ni) begin
      busy_q       <= 1'b0;
      requesting_q <= 1'b0;
      we_o         <= 1'b0;
      done_o       <= 1'b0;
    end else begin
      if (start) requesting_q <= 1'b1;
      else if (build_ready && last_request) requesting_q <= 1'b0;
      if (start) busy_q <= 1'b1;
      else if (done_o) busy_q <= 1'b0;
      we_o   <= beat_valid_i;
      done_o <= beat_valid_i && last_beat;
    end
  end

endmodule

`default_nettype wire
