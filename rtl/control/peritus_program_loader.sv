// SPDX-License-Identifier: Apache-2.0
// Loads a program from DDR: exec_i * 32 bytes of exec instructions, then fetch_i * 8 bytes of fetch entries,
// from addr_i on, read in whole beats.
//
// Counts that do not fit the memories (or no instruction at all) raise illegal_o instead. done_o follows the last write.

`default_nettype none

module peritus_program_loader
  import peritus_pkg::*;
  import peritus_control_pkg::window_t;
(
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   load_i,          // pulse; ignored while busy_o
  input  logic [ADDR_W-1:0]      addr_i,
  input  logic [15:0]            exec_i,
  input  logic [15:0]            fetch_i,
  input  window_t                window_i,
  output logic                   busy_o,
  output logic                   done_o,
  output logic                   illegal_o,       // pulse
  // AXI reader
  output logic                   req_valid_o,
  input  logic                   req_ready_i,
  output logic [ADDR_W-1:0]      req_addr_o,
  output logic [4:0]             req_beats_o,
  output logic                   violation_o,
  input  logic                   beat_valid_i,
  input  logic [AXI_BYTES*8-1:0] beat_data_i,
  // program memory
  output logic                   we_o,
  output logic                   we_fetch_o,
  output logic [15:0]            wbeat_o,
  output logic [AXI_BYTES*8-1:0] wdata_o
);

  localparam int unsigned EXEC_BEATS = $bits(exec_instr_t) / 8 / AXI_BYTES;
  localparam int unsigned ENTRIES = AXI_BYTES * 8 / $bits(fetch_entry_t);

  logic requesting_q, fetching_q, no_fetch_q;
  logic start, legal, build_ready, built_valid, built_ready, last_beat;
  logic [15:0] exec_beats, fetch_beats, exec_last_q, fetch_last_q, beat_q, request_left_q;
  logic [ADDR_W-1:0] built_addr;
  logic [4:0] built_beats;

  assign legal = exec_i != 0 && 32'(exec_i) <= PROGRAM_DEPTH && 32'(fetch_i) <= FETCH_DEPTH;
  assign start = load_i && legal && !busy_o;

  // ---- requests ----
  peritus_burst_builder u_bursts (
    .clk_i,
    .rst_ni,
    .start_i    (start),
    .addr_i,
    .step_i     (requesting_q),
    .last_i     (request_left_q == 1),
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
  assign exec_beats = 16'(exec_i * 16'(EXEC_BEATS));
  assign fetch_beats = (fetch_i + 16'(ENTRIES - 1)) / 16'(ENTRIES);
  assign last_beat = fetching_q ? beat_q == fetch_last_q : no_fetch_q && beat_q == exec_last_q;

  always_ff @(posedge clk_i) begin
    if (start) begin
      exec_last_q    <= exec_beats - 1'b1;
      fetch_last_q   <= fetch_beats - 1'b1;
      no_fetch_q     <= fetch_i == 0;
      request_left_q <= exec_beats + fetch_beats;
      beat_q         <= '0;
      fetching_q     <= 1'b0;
    end else begin
      if (requesting_q && build_ready) request_left_q <= request_left_q - 1'b1;
      if (beat_valid_i) begin
        beat_q <= beat_q + 1'b1;
        if (!fetching_q && beat_q == exec_last_q) begin
          beat_q     <= '0;
          fetching_q <= 1'b1;
        end
      end
    end
    if (beat_valid_i) begin
      we_fetch_o <= fetching_q;
      wbeat_o    <= beat_q;
      wdata_o    <= beat_data_i;
    end
    if (!rst_ni) begin
      busy_o       <= 1'b0;
      requesting_q <= 1'b0;
      we_o         <= 1'b0;
      done_o       <= 1'b0;
      illegal_o    <= 1'b0;
    end else begin
      if (start) requesting_q <= 1'b1;
      else if (build_ready && request_left_q == 1) requesting_q <= 1'b0;
      if (start) busy_o <= 1'b1;
      else if (done_o) busy_o <= 1'b0;
      we_o      <= beat_valid_i;
      done_o    <= beat_valid_i && last_beat;
      illegal_o <= load_i && !legal && !busy_o;
    end
  end

endmodule

`default_nettype wire
