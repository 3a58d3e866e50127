// SPDX-License-Identifier: Apache-2.0
// Cuts a linear run of beats into AXI bursts.
//
// start_i sets the first address. Every step_i (while ready_o) adds one beat; a burst is emitted when it reaches a
// multiple of BURST_BEATS beats in address space, or with last_i. So bursts have at most BURST_BEATS beats and never
// cross a BURST_BEATS * AXI_BYTES boundary, hence no 4 KB boundary either.
// One beat per cycle; counting goes on while the previous burst waits to be accepted.

`default_nettype none

module peritus_burst_builder
  import peritus_pkg::*;
(
  input  logic              clk_i,
  input  logic              rst_ni,
  input  logic              start_i,
  input  logic [ADDR_W-1:0] addr_i,
  input  logic              step_i,
  input  logic              last_i,
  output logic              ready_o,
  output logic              req_valid_o,
  input  logic              req_ready_i,
  output logic [ADDR_W-1:0] req_addr_o,
  output logic [4:0]        req_beats_o
);

  localparam int unsigned BEAT_LSB = $clog2(AXI_BYTES);
  localparam int unsigned INDEX_W = $clog2(BURST_BEATS);

  logic [ADDR_W-1:0] addr_q;  // first byte of the burst being collected
  logic [4:0] beats_q;  // its beats so far
  logic [INDEX_W-1:0] index;  // position of the present beat between two boundaries
  logic full;

  assign index   = addr_q[BEAT_LSB+:INDEX_W] + INDEX_W'(beats_q);
  assign full    = (&index) || last_i;
  assign ready_o = !(req_valid_o && full);

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      addr_q  <= addr_i;
      beats_q <= '0;
    end else if (step_i && ready_o) begin
      beats_q <= full ? '0 : beats_q + 1'b1;
      if (full) begin
        addr_q      <= addr_q + (ADDR_W'(beats_q + 1'b1) << BEAT_LSB);
        req_addr_o  <= addr_q;
        req_beats_o <= beats_q + 1'b1;
      end
    end
    if (!rst_ni) req_valid_o <= 1'b0;
    else if (step_i && ready_o && full) req_valid_o <= 1'b1;
    else if (req_ready_i) req_valid_o <= 1'b0;
  end

endmodule

`default_nettype wire
