// SPDX-License-Identifier: Apache-2.0
// Spreads the image's bursts over all read ports, and puts their beats back in order.
//
//   burst i of the image goes to port i mod AXI_PORTS;  beats leave in the order of bursts, one per cycle
//
// Each port has room for PORT_BURSTS bursts, counted when they are asked for: beats are never refused. Bursts of one port
// return in order; those that are early wait in their port's FIFO. With one port there is nothing to put in order, and
// beats pass unregistered.
//
// Latency: a beat that is next leaves 2 cycles after it arrived.

`default_nettype none

module peritus_image_ports
  import peritus_pkg::*;
  import peritus_pipeline_pkg::*;
(
  input  logic                                  clk_i,
  input  logic                                  rst_ni,
  // image loader
  input  logic                                  req_valid_i,
  output logic                                  req_ready_o,
  input  logic [4:0]                            req_beats_i,
  output logic                                  beat_valid_o,
  output logic [AXI_BYTES*8-1:0]                beat_data_o,
  // readers; address and length are the image loader's
  output logic [AXI_PORTS-1:0]                  req_valid_o,
  input  logic [AXI_PORTS-1:0]                  req_ready_i,
  input  logic [AXI_PORTS-1:0]                  beat_valid_i,
  input  logic [AXI_PORTS-1:0][AXI_BYTES*8-1:0] beat_data_i
);

  localparam int unsigned BEAT_W = AXI_BYTES * 8;
  // A port's share of the bandwidth times the latency, behind the weights that it was asked for before.
  localparam int unsigned PORT_BURSTS = 8;

  if (AXI_PORTS == 1) begin : gen_one
    assign req_valid_o  = req_valid_i;
    assign req_ready_o  = req_ready_i[0];
    assign beat_valid_o = beat_valid_i[0];
    assign beat_data_o  = beat_data_i[0];

    logic unused;
    assign unused = &{clk_i, rst_ni, req_beats_i};
  end else begin : gen_many
    localparam int unsigned PORT_W = $clog2(AXI_PORTS);
    typedef logic [PORT_W-1:0] port_t;

    port_t ask_q, take_q;  // port of the next burst to be asked for, and of the one whose beats leave
    logic ask, order_valid, last_beat, pop;
    /* verilator lint_off UNUSEDSIGNAL */
    logic order_ready;  // always true: it has room for the bursts of all ports
    /* verilator lint_on UNUSEDSIGNAL */
    logic [4:0] burst_beats, taken_q;  // of the burst whose beats leave
    logic [AXI_PORTS-1:0] room, valid;
    logic [AXI_PORTS-1:0][BEAT_W-1:0] data;

    // ---- requests ----
    assign ask = req_valid_i && req_ready_o;
    assign req_ready_o = room[ask_q] && req_ready_i[ask_q];
    for (genvar p = 0; p < int'(AXI_PORTS); p++) begin : gen_port
      logic [$clog2(PORT_BURSTS+1)-1:0] bursts_q;  // asked for, and not left yet
      logic asked, left;
      /* verilator lint_off UNUSEDSIGNAL */
      logic fifo_ready;  // always true: bursts are counted
      /* verilator lint_on UNUSEDSIGNAL */

      logic room_q;
      assign room[p] = room_q;
      assign req_valid_o[p] = req_valid_i && room[p] && ask_q == port_t'(p);
      assign asked = ask && ask_q == port_t'(p);
      assign left = pop && last_beat && take_q == port_t'(p);

      always_ff @(posedge clk_i) begin
        if (!rst_ni) begin
          bursts_q <= '0;
          room_q   <= 1'b1;
        end else if (asked != left) begin
          bursts_q <= asked ? bursts_q + 1'b1 : bursts_q - 1'b1;
          room_q   <= !asked || 32'(bursts_q) != PORT_BURSTS - 1;
        end
      end

      peritus_fifo #(
        .Width(BEAT_W),
        .Depth(PORT_BURSTS * BURST_BEATS)
      ) u_beats (
        .clk_i,
        .rst_ni,
        .clear_i(1'b0),
        .valid_i(beat_valid_i[p]),
        .ready_o(fifo_ready),
        .data_i (beat_data_i[p]),
        .valid_o(valid[p]),
        .ready_i(pop && take_q == port_t'(p)),
        .data_o (data[p])
      );
    end

    // ---- lengths of the bursts asked for, oldest first ----
    peritus_fifo #(
      .Width(5),
      .Depth(PORT_BURSTS * AXI_PORTS)
    ) u_order (
      .clk_i,
      .rst_ni,
      .clear_i(1'b0),
      .valid_i(ask),
      .ready_o(order_ready),
      .data_i (req_beats_i),
      .valid_o(order_valid),
      .ready_i(pop && last_beat),
      .data_o (burst_beats)
    );

    // ---- beats, in order ----
    assign pop = valid[take_q] && order_valid;
    assign last_beat = taken_q + 1'b1 == burst_beats;

    always_ff @(posedge clk_i) begin
      if (ALWAYS_LOAD || pop) beat_data_o <= data[take_q];
      beat_valid_o <= pop;
      if (ask) ask_q <= ask_q + 1'b1;
      if (pop) begin
        taken_q <= last_beat ? '0 : taken_q + 1'b1;
        if (last_beat) take_q <= take_q + 1'b1;
      end
      if (!rst_ni) begin
        beat_valid_o <= 1'b0;
        ask_q        <= '0;
        take_q       <= '0;
        taken_q      <= '0;
      end
    end
  end

endmodule

`default_nettype wire
