// SPDX-License-Identifier: Apache-2.0
// Weight store: a ring of stripes between the AXI ports and the array.
//
// Stripe i (counted since reset) arrives on any port and lives in slot i mod RING_STRIPES. req_i says which port was asked
// for the next one; a port's stripes arrive in the order of their requests. Slot s holds words [s * STRIPE_WORDS,
// (s+1) * STRIPE_WORDS) of one memory, word = 2*PN bytes. Each port gathers WORD_BEATS beats to a word; words are written in
// fixed rotation over the ports, which is fast enough because WORD_BEATS >= AXI_PORTS. Stripes may be read once they and all
// before them are in the memory (committed). No more than WINDOW are on their way, so that none is overtaken by one of its slot.
//
// Words leave in stream order, one per cycle, through a prefetch FIFO that hides the memory's cycles.
// skip: the next skip_stripes_i stripes after those consumed are passed over, arrived or not; they still land in their
// slots, in order before the stripes that reuse them. To be used between segments only; w_valid_o is low meanwhile.
//
// w_plenty_o: the words of a whole tile, at least, will leave without a gap.
//
// Latency: RING_LATENCY to RING_LATENCY - 1 + AXI_PORTS cycles from the last beat of a stripe to its first word at the
// output: gather 1, turn 1, write 1, done 1, commit 1, request 1, memory 3, FIFO 1.

`default_nettype none

module peritus_weight_store
  import peritus_pkg::*;
  import peritus_pipeline_pkg::*;
(
  input  logic                                  clk_i,
  input  logic                                  rst_ni,
  input  logic [AXI_PORTS-1:0]                  req_i,       // this port is asked for the next stripe
  output logic                                  room_o,      // ROOM more may be requested
  input  logic [AXI_PORTS-1:0]                  beat_valid_i,
  input  logic [AXI_PORTS-1:0][AXI_BYTES*8-1:0] beat_data_i,
  input  logic                                  skip_valid_i,
  input  logic [15:0]                           skip_stripes_i,
  output logic                                  freed_o,     // the last word of a stripe leaves now
  output logic                                  w_valid_o,
  input  logic                                  w_ready_i,
  output logic [2*PN*8-1:0]                     w_data_o,
  output logic                                  w_plenty_o
);

  localparam int unsigned BEAT_W = AXI_BYTES * 8;
  localparam int unsigned WORD_W = 2 * PN * 8;
  localparam int unsigned WORD_BEATS = WORD_W / BEAT_W;
  localparam int unsigned RING_STRIPES = WEIGHT_STORE_WORDS / STRIPE_WORDS;
  localparam int unsigned SLOT_W = $clog2(RING_STRIPES);
  localparam int unsigned INDEX_W = (STRIPE_WORDS > 1) ? $clog2(STRIPE_WORDS) : 1;
  localparam int unsigned PORT_W = (AXI_PORTS > 1) ? $clog2(AXI_PORTS) : 1;
  localparam int unsigned READ_LATENCY = RING_LATENCY - 7;
  localparam int unsigned WINDOW = (RING_STRIPES < 256) ? RING_STRIPES : 256;  // stripes on their way
  localparam int unsigned PORT_STRIPES = 20;  // of a port: what its reader has in flight, and a few behind it
  localparam int unsigned ROOM = 4;  // requests between weight_fetch's decision and its port
  localparam string STYLE = (WEIGHT_STORE_WORDS >= 4096) ? "ultra" : "block";  // an UltraRAM has 4096 words
  localparam int unsigned BANK_DEPTH = (WEIGHT_STORE_WORDS > 4096) ? 4096 : WEIGHT_STORE_WORDS;

  typedef logic [WEIGHT_STORE_AW-1:0] addr_t;
  typedef logic [SLOT_W-1:0] slot_t;
  typedef logic [INDEX_W-1:0] index_t;
  typedef logic [$clog2(PREFETCH_WORDS+1)-1:0] credit_t;
  typedef logic [15:0] stripe_t;  // stripe number, modulo 2^16
  typedef logic [$clog2(WINDOW+1)-1:0] count_t;  // stripes on their way

  if (WORD_BEATS < AXI_PORTS || RING_STRIPES >= 2 ** 14) begin : gen_illegal
    $fatal(1, "weight store: needs beats per word >= ports, < 16384 stripes");
  end

  function automatic slot_t advance(slot_t slot, int unsigned stripes);
    return (32'(slot) + stripes >= RING_STRIPES) ? slot_t'(32'(slot) + stripes - RING_STRIPES)
                                                 : slot_t'(32'(slot) + stripes);
  endfunction

  function automatic addr_t address(slot_t slot, index_t index);
    return addr_t'(32'(slot) * STRIPE_WORDS + 32'(index));
  endfunction

  // ---- stripes on their way ----
  logic [PORT_W-1:0] req_port, oldest_port;
  logic oldest, commit;
  slot_t next_slot_q;
  count_t flying_q;
  logic [AXI_PORTS-1:0] done;  // a stripe of this port is in the memory now
  count_t ready_q[AXI_PORTS];  // stripes of each port in the memory and not committed
  stripe_t commit_q;  // the first one not committed

  always_comb begin
    req_port = '0;
    for (int p = 0; p < int'(AXI_PORTS); p++) if (req_i[p]) req_port = PORT_W'(p);
  end

  // The ports of those not committed, oldest first.
  // The one asked is a register first: from the ports' arbiters into a memory is too far for one cycle.
  logic asked_q, order_ready;
  logic [PORT_W-1:0] asked_port_q;
  always_ff @(posedge clk_i) begin
    asked_q      <= |req_i && rst_ni;
    asked_port_q <= req_port;
  end

  peritus_fifo #(
    .Width(PORT_W),
    .Depth(WINDOW)
  ) u_order (
    .clk_i,
    .rst_ni,
    .clear_i(1'b0),
    .valid_i(asked_q),
    .ready_o(order_ready),
    .data_i (asked_port_q),
    .valid_o(oldest),
    .ready_i(commit),
    .data_o (oldest_port)
  );

  assign commit = oldest && ready_q[oldest_port] != '0;

  always_ff @(posedge clk_i) begin
    room_o <= 32'(flying_q) + ROOM <= WINDOW && rst_ni;
    if (!rst_ni) begin
      next_slot_q <= '0;
      flying_q    <= '0;
      commit_q    <= '0;
      for (int p = 0; p < int'(AXI_PORTS); p++) ready_q[p] <= '0;
    end else begin
      if (|req_i) next_slot_q <= advance(next_slot_q, 1);
      flying_q <= flying_q + count_t'(|req_i) - count_t'(commit);
      if (commit) commit_q <= commit_q + 1'b1;
      for (int p = 0; p < int'(AXI_PORTS); p++) begin
        ready_q[p] <= ready_q[p] + count_t'(done[p]) - count_t'(commit && 32'(oldest_port) == p);
      end
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      assert (!asked_q || order_ready)
      else $error("more than %0d stripes on their way", WINDOW);
      assert ($onehot0(req_i))
      else $error("two requests in a cycle");
    end
  end
`else
  logic unused_order;
  assign unused_order = order_ready;
`endif

  // ---- write side ----
  logic [WORD_W-1:0] word[AXI_PORTS];  // complete word waiting for its turn
  logic [AXI_PORTS-1:0] full;
  addr_t waddr[AXI_PORTS];
  logic [PORT_W-1:0] turn_q;
  logic we_q;
  addr_t we_addr_q;
  logic [WORD_W-1:0] we_data_q;

  for (genvar p = 0; p < int'(AXI_PORTS); p++) begin : gen_port
    logic [WORD_W-1:0] partial_q;
    logic [$clog2(WORD_BEATS)-1:0] beat_q;
    logic last_beat, written;
    logic complete_q;  // all beats of a word are in partial_q
    logic full_q;
    logic [WORD_W-1:0] word_q;
    slot_t slot;  // of the stripe that arrives
    index_t index_q;
    logic last, last_q;
    logic slot_valid, slot_ready;

    assign last_beat = beat_valid_i[p] && 32'(beat_q) == WORD_BEATS - 1;
    assign written  = full_q && 32'(turn_q) == p;
    assign word[p]  = word_q;
    assign full[p]  = full_q;
    assign waddr[p] = address(slot, index_q);
    assign last     = written && 32'(index_q) == STRIPE_WORDS - 1;
    assign done[p]  = last_q;

    peritus_fifo #(
      .Width(SLOT_W),
      .Depth(PORT_STRIPES)
    ) u_slots (
      .clk_i,
      .rst_ni,
      .clear_i(1'b0),
      .valid_i(req_i[p]),
      .ready_o(slot_ready),
      .data_i (next_slot_q),
      .valid_o(slot_valid),
      .ready_i(last),
      .data_o (slot)
    );

    always_ff @(posedge clk_i) begin
      if (beat_valid_i[p]) partial_q <= WORD_W'({beat_data_i[p], partial_q} >> BEAT_W);
      if (complete_q) word_q <= partial_q;
      if (!rst_ni) begin
        beat_q  <= '0;
        complete_q <= 1'b0;
        full_q  <= 1'b0;
        index_q <= '0;
        last_q  <= 1'b0;
      end else begin
        if (beat_valid_i[p]) beat_q <= last_beat ? '0 : beat_q + 1'b1;
        complete_q <= last_beat;
        if (complete_q) full_q <= 1'b1;
        else if (written) full_q <= 1'b0;
        if (written) index_q <= last ? '0 : index_q + 1'b1;
        last_q <= last;  // now in the memory
      end
    end

`ifndef SYNTHESIS
    always_ff @(posedge clk_i) begin
      if (rst_ni) begin
        assert (!(complete_q && full_q && !written))
        else $error("port %0d: word lost", p);
        assert (!written || slot_valid)
        else $error("port %0d: a stripe that nobody asked for", p);
        assert (!req_i[p] || slot_ready)
        else $error("port %0d: more than %0d stripes on their way", p, PORT_STRIPES);
      end
    end
`else
    logic unused_slots;
    assign unused_slots = slot_valid ^ slot_ready;
`endif
  end

  always_ff @(posedge clk_i) begin
    if (ALWAYS_LOAD || |full) begin
      we_addr_q <= waddr[turn_q];
      we_data_q <= word[turn_q];
    end
    we_q <= full[turn_q];
    if (!rst_ni) turn_q <= '0;
    else turn_q <= (32'(turn_q) == AXI_PORTS - 1) ? '0 : turn_q + 1'b1;
  end

  // ---- read side ----
  slot_t cons_slot_q, read_slot_q;
  index_t cons_index_q, read_index_q;
  stripe_t cons_stripe_q, read_stripe_q, skip_q;
  logic skipping_q;
  credit_t credit_q;  // places in the FIFO not spoken for
  logic [READ_LATENCY:0] reading_q;  // reads requested and in the memory's pipeline
  addr_t raddr_q;
  logic arrived, read, pop, fifo_valid;
  logic [WORD_W-1:0] rdata;
  /* verilator lint_off UNUSEDSIGNAL */
  logic fifo_ready;  // always true: places are counted by credit_q
  /* verilator lint_on UNUSEDSIGNAL */

  // Committed stripes from the read position on; behind a skip there may be fewer than none.
  localparam int unsigned TILE_STRIPES = (TILE_WORDS + STRIPE_WORDS - 1) / STRIPE_WORDS;
  stripe_t level;
  assign level   = commit_q - read_stripe_q;
  assign arrived = !level[15] && level != '0;

  always_ff @(posedge clk_i) begin
    // One stripe more, because the first one may be partly read.
    w_plenty_o <= rst_ni && !level[15] && level > 16'(TILE_STRIPES) && !skipping_q && !skip_valid_i;
  end

  // In the cycle of skip_valid_i too: the next one starts over.
  assign read = arrived && credit_q != 0 && !skipping_q;

  peritus_ram_1r1w #(
    .Width      (WORD_W),
    .Depth      (WEIGHT_STORE_WORDS),
    .Style      (STYLE),
    .BankDepth  (BANK_DEPTH),
    .ReadLatency(READ_LATENCY)
  ) u_ram (
    .clk_i,
    .we_i   (we_q),
    .waddr_i(we_addr_q),
    .wdata_i(we_data_q),
    .re_i   (reading_q[0]),
    .raddr_i(raddr_q),
    .rdata_o(rdata)
  );

  peritus_fifo #(
    .Width(WORD_W),
    .Depth(PREFETCH_WORDS)
  ) u_prefetch (
    .clk_i,
    .rst_ni,
    .clear_i(skipping_q),
    .valid_i(reading_q[READ_LATENCY]),
    .ready_o(fifo_ready),
    .data_i (rdata),
    .valid_o(fifo_valid),
    .ready_i(pop),
    .data_o (w_data_o)
  );

  assign w_valid_o = fifo_valid && !skipping_q;
  assign pop       = w_valid_o && w_ready_i;
  assign freed_o   = pop && 32'(cons_index_q) == STRIPE_WORDS - 1;

  always_ff @(posedge clk_i) begin
    skip_q <= skip_stripes_i;
    raddr_q <= address(read_slot_q, read_index_q);
    if (!rst_ni) begin
      skipping_q    <= 1'b0;
      cons_slot_q   <= '0;
      cons_index_q  <= '0;
      cons_stripe_q <= '0;
      read_slot_q   <= '0;
      read_index_q  <= '0;
      read_stripe_q <= '0;
      credit_q      <= credit_t'(PREFETCH_WORDS);
      reading_q     <= '0;
    end else begin
      skipping_q <= skip_valid_i;
      reading_q  <= {reading_q[READ_LATENCY-1:0], read};
      if (read != pop) credit_q <= read ? credit_q - 1'b1 : credit_q + 1'b1;
      if (read) begin
        read_index_q <= read_index_q + 1'b1;
        if (32'(read_index_q) == STRIPE_WORDS - 1) begin
          read_index_q  <= '0;
          read_slot_q   <= advance(read_slot_q, 1);
          read_stripe_q <= read_stripe_q + 1'b1;
        end
      end
      if (pop) cons_index_q <= cons_index_q + 1'b1;
      if (freed_o) begin
        cons_index_q  <= '0;
        cons_slot_q   <= advance(cons_slot_q, 1);
        cons_stripe_q <= cons_stripe_q + 1'b1;
      end
      if (skipping_q) begin  // start over behind what was skipped
        cons_index_q  <= '0;
        cons_slot_q   <= advance(cons_slot_q, 32'(skip_q));
        cons_stripe_q <= cons_stripe_q + skip_q;
        read_index_q  <= '0;
        read_slot_q   <= advance(cons_slot_q, 32'(skip_q));
        read_stripe_q <= cons_stripe_q + skip_q;
        credit_q      <= credit_t'(PREFETCH_WORDS);
        reading_q     <= '0;
      end
    end
  end

endmodule

`default_nettype wire
