// SPDX-License-Identifier: Apache-2.0
// Weights that stay on chip: a memory of weight words, written by KEEP, read from any word on as a stream.
//
// start_i: the stream begins anew at start_addr_i. Its words leave in order, one per cycle, through a prefetch FIFO that
// hides the memory's cycles; once the first has come there is no gap. It runs ahead of what is wanted, so what it reads
// beyond that is thrown away by the next start. The last RESIDENT_BLOCK_WORDS words are in block RAM, the others in UltraRAM.
//
// Latency: RESIDENT_LATENCY cycles from start_i to the first word: address 1, request 1, memory 3, FIFO 1.

`default_nettype none

module peritus_resident
  import peritus_pkg::*;
(
  input  logic                   clk_i,
  input  logic                   rst_ni,
  // KEEP
  input  logic                   we_i,
  input  logic [RESIDENT_AW-1:0] waddr_i,
  input  logic [2*PN*8-1:0]      wdata_i,
  // stream
  input  logic                   start_i,
  input  logic [RESIDENT_AW-1:0] start_addr_i,
  output logic                   valid_o,
  input  logic                   ready_i,
  output logic [2*PN*8-1:0]      data_o
);

  localparam int unsigned WORD_W = 2 * PN * 8;
  localparam int unsigned READ_LATENCY = RESIDENT_LATENCY - 3;
  localparam int unsigned ULTRA_WORDS = RESIDENT_WORDS - RESIDENT_BLOCK_WORDS;

  typedef logic [$clog2(PREFETCH_WORDS+1)-1:0] credit_t;

  logic running_q, read, pop;
  logic [RESIDENT_AW-1:0] addr_q;
  logic [READ_LATENCY:0] reading_q;  // reads requested and in the memory's pipeline
  credit_t credit_q;  // places in the FIFO not spoken for
  logic [WORD_W-1:0] rdata, ultra_rdata, block_rdata;
  logic [READ_LATENCY:0] from_block_q;
  logic write_block, read_block;
  logic we_ultra_q, we_block_q;
  logic [RESIDENT_AW-1:0] waddr_q;
  logic [WORD_W-1:0] wdata_q;
  // The request: a register in front of the memories' enables and addresses.
  logic read_ultra_q, read_block_q;
  logic [RESIDENT_AW-1:0] raddr_q;
  /* verilator lint_off UNUSEDSIGNAL */
  logic fifo_ready;  // always true: places are counted by credit_q
  /* verilator lint_on UNUSEDSIGNAL */

  assign read = running_q && credit_q != 0;  // in the cycle of a start too: it is thrown away
  assign pop  = valid_o && ready_i;

  assign rdata       = from_block_q[READ_LATENCY] ? block_rdata : ultra_rdata;

  if (ULTRA_WORDS != 0) begin : gen_ultra
    localparam int unsigned AW = $clog2(ULTRA_WORDS);
    assign write_block = 32'(waddr_i) >= ULTRA_WORDS;
    assign read_block  = 32'(addr_q) >= ULTRA_WORDS;

    peritus_ram_1r1w #(
      .Width      (WORD_W),
      .Depth      (ULTRA_WORDS),
      .Style      ("ultra"),
      .BankDepth  ((ULTRA_WORDS > 4096) ? 4096 : ULTRA_WORDS),
      .ReadLatency(READ_LATENCY)
    ) u_ram (
      .clk_i,
      .we_i   (we_ultra_q),
      .waddr_i(AW'(waddr_q)),
      .wdata_i(wdata_q),
      .re_i   (read_ultra_q),
      .raddr_i(AW'(raddr_q)),
      .rdata_o(ultra_rdata)
    );
  end else begin : gen_no_ultra
    assign write_block = 1'b1;
    assign read_block  = 1'b1;
    assign ultra_rdata = '0;

    logic unused_ultra;
    assign unused_ultra = we_ultra_q ^ read_ultra_q;
  end

  if (RESIDENT_BLOCK_WORDS != 0) begin : gen_block
    localparam int unsigned AW = $clog2(RESIDENT_BLOCK_WORDS);
    peritus_ram_1r1w #(
      .Width      (WORD_W),
      .Depth      (RESIDENT_BLOCK_WORDS),
      .Style      ("block"),
      .ReadLatency(READ_LATENCY)
    ) u_ram (
      .clk_i,
      .we_i   (we_block_q),
      .waddr_i(AW'(32'(waddr_q) - ULTRA_WORDS)),
      .wdata_i(wdata_q),
      .re_i   (read_block_q),
      .raddr_i(AW'(32'(raddr_q) - ULTRA_WORDS)),
      .rdata_o(block_rdata)
    );
  end else begin : gen_no_block
    assign block_rdata = '0;

    logic unused_block;
    assign unused_block = we_block_q ^ read_block_q;
  end

  peritus_fifo #(
    .Width(WORD_W),
    .Depth(PREFETCH_WORDS)
  ) u_prefetch (
    .clk_i,
    .rst_ni,
    .clear_i(start_i),
    .valid_i(reading_q[READ_LATENCY]),
    .ready_o(fifo_ready),
    .data_i (rdata),
    .valid_o,
    .ready_i,
    .data_o
  );

  always_ff @(posedge clk_i) begin
    if (start_i) addr_q <= start_addr_i;
    else if (read) addr_q <= (32'(addr_q) == RESIDENT_WORDS - 1) ? '0 : addr_q + 1'b1;
    we_ultra_q <= we_i && !write_block;
    we_block_q <= we_i && write_block;
    waddr_q <= waddr_i;
    wdata_q <= wdata_i;
    read_ultra_q <= read && !read_block;
    read_block_q <= read && read_block;
    raddr_q <= addr_q;
    from_block_q <= {from_block_q[READ_LATENCY-1:0], read_block};
    reading_q <= start_i ? '0 : {reading_q[READ_LATENCY-1:0], read};
    if (start_i) credit_q <= credit_t'(PREFETCH_WORDS);
    else if (read != pop) credit_q <= read ? credit_q - 1'b1 : credit_q + 1'b1;
    if (start_i) running_q <= 1'b1;
    if (!rst_ni) begin
      running_q <= 1'b0;
      reading_q <= '0;
      credit_q  <= credit_t'(PREFETCH_WORDS);
    end
  end

endmodule

`default_nettype wire
