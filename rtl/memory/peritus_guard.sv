// SPDX-License-Identifier: Apache-2.0
// Memory guard: the last station of every request on its way to an AXI master.
//
// A burst passes if it is aligned and lies in its window,
//
//   window.base <= addr,   addr + beats * AXI_BYTES <= window.limit,   addr % AlignBytes == 0,
//
// and is never issued otherwise: violation_o rises, req_addr_o holds the refused address, and nothing passes any more
// until reset. Three cycles per request, which is shorter than the burst that follows it.

`default_nettype none

module peritus_guard
  import peritus_pkg::*;
  import peritus_control_pkg::window_t;
#(
  parameter int unsigned AlignBytes = 64
) (
  input  logic              clk_i,
  input  logic              rst_ni,
  input  window_t           window_i,
  input  logic              req_valid_i,
  output logic              req_ready_o,
  input  logic [ADDR_W-1:0] req_addr_i,
  input  logic [4:0]        req_beats_i,
  output logic              req_valid_o,
  input  logic              req_ready_i,
  output logic [ADDR_W-1:0] req_addr_o,
  output logic [4:0]        req_beats_o,
  output logic              violation_o
);

  typedef enum logic [1:0] {
    EMPTY,
    CHECK,
    PASS,
    STOP
  } state_e;

  state_e state_q;
  logic [ADDR_W:0] end_q;  // first byte after the burst; one bit more than an address
  logic legal;

  assign req_ready_o = state_q == EMPTY;
  assign req_valid_o = state_q == PASS;
  assign violation_o = state_q == STOP;
  assign legal = req_addr_o >= window_i.base && end_q <= {1'b0, window_i.limit} &&
                 req_addr_o[$clog2(AlignBytes)-1:0] == 0;

  always_ff @(posedge clk_i) begin
    if (req_valid_i && req_ready_o) begin
      req_addr_o  <= req_addr_i;
      req_beats_o <= req_beats_i;
      end_q       <= {1'b0, req_addr_i} + ((ADDR_W + 1)'(req_beats_i) << $clog2(AXI_BYTES));
    end
    if (!rst_ni) begin
      state_q <= EMPTY;
    end else begin
      unique case (state_q)
        EMPTY:   if (req_valid_i) state_q <= CHECK;
        CHECK:   state_q <= legal ? PASS : STOP;
        PASS:    if (req_ready_i) state_q <= EMPTY;
        default: state_q <= STOP;
      endcase
    end
  end

endmodule

`default_nettype wire
