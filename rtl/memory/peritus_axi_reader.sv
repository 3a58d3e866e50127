// SPDX-License-Identifier: Apache-2.0
// AXI4 read master of one port, shared by NumClients requesters in turn (round robin).
//
// A request is one INCR burst of 1..16 beats that crosses no boundary (burst_builder or a stripe) and has passed a
// guard. Up to MaxBursts are in flight under one ID, so data return in the order of requests. A client asks only for
// what it has room for: beats are delivered, registered, without a ready, and R is never stalled.
//
// flush_i: no new burst is begun, beats that still arrive are discarded; idle_o: nothing is in flight.
// err_o: a beat came with SLVERR or DECERR; err_client_o and err_addr_o (first byte of the burst) belong to it.

`default_nettype none

module peritus_axi_reader
  import peritus_pkg::*;
#(
  parameter int unsigned NumClients = 1,
  parameter int unsigned MaxBursts = 16
) (
  input  logic                              clk_i,
  input  logic                              rst_ni,
  input  logic                              flush_i,
  output logic                              idle_o,
  // requests
  input  logic [NumClients-1:0]             req_valid_i,
  output logic [NumClients-1:0]             req_ready_o,
  output logic                              open_o,       // a request would be taken, if no other were
  input  logic [NumClients-1:0][ADDR_W-1:0] req_addr_i,
  input  logic [NumClients-1:0][4:0]        req_beats_i,
  // beats
  output logic [NumClients-1:0]             beat_valid_o,
  output logic [AXI_BYTES*8-1:0]            beat_data_o,
  output logic                              err_o,
  output logic [NumClients-1:0]             err_client_o,
  output logic [ADDR_W-1:0]                 err_addr_o,
  // AXI4, the signals that are not constant
  output logic                              arvalid_o,
  input  logic                              arready_i,
  output logic [ADDR_W-1:0]                 araddr_o,
  output logic [7:0]                        arlen_o,
  input  logic                              rvalid_i,
  output logic                              rready_o,
  input  logic [AXI_BYTES*8-1:0]            rdata_i,
  input  logic                              rerror_i,
  input  logic                              rlast_i
);

  logic [NumClients-1:0] grant, client, turn_q;  // one-hot; turn_q: who was served last
  logic take, start, room, in_flight;
  logic [ADDR_W-1:0] addr, burst_addr;
  logic [4:0] beats;

  // Round robin: the first requester above the one served last, else the lowest.
  always_comb begin
    logic [NumClients-1:0] above;
    above = req_valid_i & ~(turn_q | (turn_q - 1'b1));
    grant = (above != 0) ? above & (~above + 1'b1) : req_valid_i & (~req_valid_i + 1'b1);
    addr  = '0;
    beats = '0;
    for (int i = 0; i < int'(NumClients); i++) begin
      if (grant[i]) begin
        addr |= req_addr_i[i];
        beats |= req_beats_i[i];
      end
    end
  end

  // Somebody is granted whenever somebody asks: the start of a burst need not wait for who it is.
  assign take        = !arvalid_o && room && !flush_i;
  assign start       = take && |req_valid_i;
  assign req_ready_o = take ? grant : '0;
  assign open_o      = take;

  // Who gets the data of the bursts in flight, oldest first.
  peritus_fifo #(
    .Width(NumClients + ADDR_W),
    .Depth(MaxBursts)
  ) u_order (
    .clk_i,
    .rst_ni,
    .clear_i(1'b0),
    .valid_i(start),
    .ready_o(room),
    .data_i ({grant, addr}),
    .valid_o(in_flight),
    .ready_i(rvalid_i && rlast_i),
    .data_o ({client, burst_addr})
  );

  assign idle_o   = !in_flight;
  assign rready_o = 1'b1;

  always_ff @(posedge clk_i) begin
    if (start) begin
      araddr_o <= addr;
      arlen_o  <= 8'(beats - 1'b1);
    end
    if (rvalid_i) begin
      beat_data_o  <= rdata_i;
      err_client_o <= client;
      err_addr_o   <= burst_addr;
    end
    if (!rst_ni) begin
      arvalid_o    <= 1'b0;
      turn_q       <= NumClients'(1);
      beat_valid_o <= '0;
      err_o        <= 1'b0;
    end else begin
      if (start) begin
        arvalid_o <= 1'b1;
        turn_q    <= grant;
      end else if (arready_i) begin
        arvalid_o <= 1'b0;
      end
      beat_valid_o <= (rvalid_i && !flush_i) ? client : '0;
      err_o        <= rvalid_i && rerror_i && !flush_i;
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      assert (!rvalid_i || in_flight)
      else $error("read data without a burst in flight");
      assert (!(|req_ready_o) || (beats >= 1 && beats <= 5'(BURST_BEATS)))
      else $error("burst of %0d beats", beats);
      assert (!(|req_ready_o) || 32'(addr[11:0]) + 32'(beats) * AXI_BYTES <= 4096)
      else $error("burst crosses 4 KB");
    end
  end
`endif

endmodule

`default_nettype wire
