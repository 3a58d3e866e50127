// SPDX-License-Identifier: Apache-2.0
// Weight store: a ring of stripes between the AXI ports and the array.
//
// Stripe i (counted since reset) arrives on port i mod AXI_PORTS, in order on each port, and lives in slot
// i mod RING_STRIPES. Slot s holds words [s * STRIPE_WORDS, (s+1) * STRIPE_WORDS) of one memory, word = 2*PN bytes.
// Each port gathers WORD_BEATS beats to a word; words are written in fixed rotation over the ports, which is fast
// enough because WORD_BEATS >= AXI_PORTS. A stripe may be read when its port has completed it (and all before it).
//
// Words leave in stream order, one per cycle, through a prefetch FIFO that hides the memory's cycles.
// skip: the next skip_stripes_i stripes after those consumed are passed over, arrived or not; they still land in their
// slots, in order before the stripes that reuse them. To be used between segments only; w_valid_o is low meanwhile.
//
// w_plenty_o: the words of a whole tile, at least, will leave without a gap.
//
// Latency: RING_LATENCY to RING_LATENCY - 1 + AXI_PORTS cycles from the last beat of a stripe to its first word at the
// output: gather 1, turn 1, write 1, done 1, request 1, memory 3, FIFO 1.

`default_nettype none

module peritus_weight_store
  import peritus_pkg::*;
  import peritus_pipeline_pkg::*;
(
  input  logic                                  clk_i,
  input  logic                                  rst_ni,
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
  localparam int unsigned PORT_BITS = $clog2(AXI_PORTS);
  localparam int unsigned READ_LATENCY = RING_LATENCY - 6;
  localparam string STYLE = (WEIGHT_STORE_WORDS >= 4096) ? "ultra" : "block";  // an UltraRAM has 4096 words

  typedef logic [WEIGHT_STORE_AW-1:0] addr_t;
  typedef logic [SLOT_W-1:0] slot_t;
  typedef logic [INDEX_W-1:0] index_t;
  typedef logic [$clog2(PREFETCH_WORDS+1)-1:0] credit_t;
  typedef logic [15:0] stripe_t;  // stripe number, modulo 2^16
  typedef logic [15-PORT_BITS:0] count_t;  // stripes of one port, modulo 2^16 / AXI_PORTS

  if (WORD_BEATS < AXI_PORTS || RING_STRIPES % AXI_PORTS != 0 || RING_STRIPES >= 2 ** 14) begin : gen_illegal
    $fatal(1, "weight store: needs beats per word >= ports, whole stripes per port, < 16384 stripes");
  end

  function automatic slot_t advance(slot_t slot, int unsigned stripes);
    return (32'(slot) + stripes >= RING_STRIPES) ? slot_t'(32'(slot) + stripes - RING_STRIPES)
                                                 : slot_t'(32'(slot) + stripes);
  endfunction

  function automatic addr_t address(slot_t slot, index_t index);
    return addr_t'(32'(slot) * STRIPE_WORDS + 32'(index));
  endfunction

  // ---- write side ----
  logic [WORD_W-1:0] word[AXI_PORTS];  // complete word waiting for its turn
  logic [AXI_PORTS-1:0] full;
  addr_t waddr[AXI_PORTS];
  count_t done[AXI_PORTS];  // stripes of this port that are in the memory
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
    slot_t slot_q;
    index_t index_q;
    logic last_q;
    count_t done_q;

    assign last_beat = beat_valid_i[p] && 32'(beat_q) == WORD_BEATS - 1;
    assign written  = full_q && 32'(turn_q) == p;
    assign word[p]  = word_q;
    assign full[p]  = full_q;
    assign waddr[p] = address(slot_q, index_q);
    assign done[p]  = done_q;

    always_ff @(posedge clk_i) begin
      if (beat_valid_i[p]) partial_q <= WORD_W'({beat_data_i[p], partial_q} >> BEAT_W);
      if (complete_q) word_q <= partial_q;
      if (!rst_ni) begin
        beat_q  <= '0;
        complete_q <= 1'b0;
        full_q  <= 1'b0;
        slot_q  <= slot_t'(p);
        index_q <= '0;
        last_q  <= 1'b0;
        done_q  <= '0;
      end else begin
        if (beat_valid_i[p]) beat_q <= last_beat ? '0 : beat_q + 1'b1;
        complete_q <= last_beat;
        if (complete_q) full_q <= 1'b1;
        else if (written) full_q <= 1'b0;
        if (written) begin
          index_q <= index_q + 1'b1;
          if (32'(index_q) == STRIPE_WORDS - 1) begin
            index_q <= '0;
            slot_q  <= advance(slot_q, AXI_PORTS);
          end
        end
        last_q <= written && 32'(index_q) == STRIPE_WORDS - 1;
        if (last_q) done_q <= done_q + 1'b1;  // now in the memory
      end
    end

`ifndef SYNTHESIS
    always_ff @(posedge clk_i)
      if (rst_ni)
        assert (!(complete_q && full_q && !written))
        else $error("port %0d: word lost", p);
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
  count_t backlog;  // complete stripes of this port from the read position on; < 0 after a skip
  logic arrived, read, pop, fifo_valid;
  logic [WORD_W-1:0] rdata;
  /* verilator lint_off UNUSEDSIGNAL */
  logic fifo_ready;  // always true: places are counted by credit_q
  /* verilator lint_on UNUSEDSIGNAL */

  assign backlog = done[PORT_W'(read_stripe_q % 16'(AXI_PORTS))] - count_t'(read_stripe_q >> PORT_BITS);
  assign arrived = !backlog[15-PORT_BITS] && backlog != 0;
  // Stripes that all ports have completed, in stream order, counted one per cycle: the first not yet complete one.
  localparam int unsigned TILE_STRIPES = (TILE_WORDS + STRIPE_WORDS - 1) / STRIPE_WORDS;
  stripe_t commit_q, level;
  count_t commit_backlog;
  assign commit_backlog = done[PORT_W'(commit_q % 16'(AXI_PORTS))] - count_t'(commit_q >> PORT_BITS);
  assign level = commit_q - read_stripe_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) commit_q <= '0;
    else if (commit_backlog != 0) commit_q <= commit_q + 1'b1;
    // Behind a skip the level is negative; one stripe more, because the first one may be partly read.
    w_plenty_o <= rst_ni && !level[15] && level > 16'(TILE_STRIPES) && !skipping_q && !skip_valid_i;
  end

  // In the cycle of skip_valid_i too: the next one starts over.
  assign read = arrived && credit_q != 0 && !skipping_q;

  peritus_ram_1r1w #(
    .Width      (WORD_W),
    .Depth      (WEIGHT_STORE_WORDS),
    .Style      (STYLE),
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
