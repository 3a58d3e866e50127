// SPDX-License-Identifier: Apache-2.0
// AXI4 write master: takes burst requests and a stream of beats in the same order.
//
// A request is one INCR burst of 1..16 beats that crosses no boundary and has passed a guard. The next burst begins
// when all beats of this one have been handed over; up to MaxBursts wait for their response.
//
// flush_i: no new burst is begun; a burst already begun is completed, as AXI demands, with all strobes off.
// idle_o: no address, beat or response is outstanding. err_o: SLVERR or DECERR; err_addr_o is the last burst begun.

`default_nettype none

module peritus_axi_writer
  import peritus_pkg::*;
#(
  parameter int unsigned MaxBursts = 16
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   flush_i,
  output logic                   idle_o,
  input  logic                   req_valid_i,
  output logic                   req_ready_o,
  input  logic [ADDR_W-1:0]      req_addr_i,
  input  logic [4:0]             req_beats_i,
  input  logic                   beat_valid_i,
  output logic                   beat_ready_o,
  input  logic [AXI_BYTES*8-1:0] beat_data_i,
  output logic                   err_o,
  output logic [ADDR_W-1:0]      err_addr_o,
  // AXI4, the signals that are not constant
  output logic                   awvalid_o,
  input  logic                   awready_i,
  output logic [ADDR_W-1:0]      awaddr_o,
  output logic [7:0]             awlen_o,
  output logic                   wvalid_o,
  input  logic                   wready_i,
  output logic [AXI_BYTES*8-1:0] wdata_o,
  output logic [AXI_BYTES-1:0]   wstrb_o,
  output logic                   wlast_o,
  input  logic                   bvalid_i,
  output logic                   bready_o,
  input  logic                   berror_i
);

  logic [4:0] left_q;  // beats of the present burst not yet in the output register
  logic [$clog2(MaxBursts+1)-1:0] open_q;  // bursts without a response
  logic begin_burst, free, load;

  assign req_ready_o  = !awvalid_o && left_q == 0 && 32'(open_q) != MaxBursts && !flush_i;
  assign begin_burst  = req_valid_i && req_ready_o;
  assign free         = left_q != 0 && (!wvalid_o || wready_i);
  assign beat_ready_o = free && !flush_i;
  assign load         = free && (beat_valid_i || flush_i);
  assign bready_o     = 1'b1;
  assign idle_o       = open_q == 0;  // a response follows everything else of its burst
  assign err_addr_o   = awaddr_o;

  always_ff @(posedge clk_i) begin
    if (begin_burst) begin
      awaddr_o <= req_addr_i;
      awlen_o  <= 8'(req_beats_i - 1'b1);
    end
    if (load) begin
      wdata_o <= beat_data_i;
      wstrb_o <= flush_i ? '0 : '1;
      wlast_o <= left_q == 1;
    end
    if (!rst_ni) begin
      awvalid_o <= 1'b0;
      wvalid_o  <= 1'b0;
      left_q    <= '0;
      open_q    <= '0;
      err_o     <= 1'b0;
    end else begin
      if (begin_burst) awvalid_o <= 1'b1;
      else if (awready_i) awvalid_o <= 1'b0;
      if (load) wvalid_o <= 1'b1;
      else if (wready_i) wvalid_o <= 1'b0;
      if (begin_burst) left_q <= req_beats_i;
      else if (load) left_q <= left_q - 1'b1;
      if (begin_burst != bvalid_i) open_q <= begin_burst ? open_q + 1'b1 : open_q - 1'b1;
      err_o <= bvalid_i && berror_i && !flush_i;
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      assert (!bvalid_i || open_q != 0)
      else $error("write response without a burst");
      assert (!begin_burst || (req_beats_i >= 1 && req_beats_i <= 5'(BURST_BEATS)))
      else $error("burst of %0d beats", req_beats_i);
      assert (!begin_burst || 32'(req_addr_i[11:0]) + 32'(req_beats_i) * AXI_BYTES <= 4096)
      else $error("burst crosses 4 KB");
    end
  end
`endif

endmodule

`default_nettype wire
