// SPDX-License-Identifier: Apache-2.0
// Simple dual-port memory: one write port, one read port, read latency two cycles
// (array read, then output register), as block RAM and UltraRAM want it for a fast clock.
//
// A read of the address written in the same cycle returns undefined data: users keep them apart.
// Style: "ultra" maps to URAM288 on UltraScale+, "block" to block RAM, "distributed" to LUTs, "auto" leaves it to
// the tool.
// Hold: rdata_o keeps its value until the next read; without, it is that of raddr_i ReadLatency cycles ago, and no wide word
// of registers needs an enable (worth it where the memory is of LUTs; a block RAM has its own).
// BankDepth < Depth: banks of so many words, a power of two, for memories deeper than a block. Which bank is written is
// decoded into registers, so a word is there a cycle later; the word read is chosen behind the blocks' own registers, so
// ReadLatency is 3.

`default_nettype none

module peritus_ram_1r1w #(
  parameter int unsigned Width = 32,
  parameter int unsigned Depth = 256,
  parameter string       Style = "auto",
  parameter bit          Hold = 1'b1,
  parameter int unsigned BankDepth = Depth,
  parameter int unsigned ReadLatency = (BankDepth < Depth) ? 3 : 2,
  localparam int unsigned AddrW = (Depth > 1) ? $clog2(Depth) : 1
) (
  input  logic             clk_i,
  input  logic             we_i,
  input  logic [AddrW-1:0] waddr_i,
  input  logic [Width-1:0] wdata_i,
  input  logic             re_i,
  input  logic [AddrW-1:0] raddr_i,
  output logic [Width-1:0] rdata_o
);

  localparam int unsigned BANKS = (Depth + BankDepth - 1) / BankDepth;

  if (ReadLatency < 2 || (BANKS > 1 && (ReadLatency != 3 || !Hold || 2 ** $clog2(
          BankDepth
      ) != BankDepth))) begin : gen_illegal
    $fatal(1, "ram_1r1w: ReadLatency = %0d of %0d banks of %0d words", ReadLatency, BANKS, BankDepth);
  end

  logic [ReadLatency-2:0] re_q;
  always_ff @(posedge clk_i) re_q <= (ReadLatency - 1)'({re_q, re_i});

  if (BANKS == 1) begin : gen_one
    // The last two say the same to Yosys and to Vivado: no logic for reads of an address being written.
    (* ram_style = Style, no_rw_check, rw_addr_collision = "no" *) logic [Width-1:0] mem[Depth];
    logic [Width-1:0] read_q;  // of the array itself; not a part of later_q, for Yosys to find it
    logic [Width-1:0] later_q[ReadLatency-1];

    always_ff @(posedge clk_i) begin
      if (we_i) mem[waddr_i] <= wdata_i;
      if (re_i || !Hold) read_q <= mem[raddr_i];
      if (re_q[0] || !Hold) later_q[0] <= read_q;
      for (int i = 1; i < int'(ReadLatency) - 1; i++) begin
        if (re_q[i] || !Hold) later_q[i] <= later_q[i-1];
      end
    end

    assign rdata_o = later_q[ReadLatency-2];
  end else begin : gen_banks
    localparam int unsigned BANK_AW = $clog2(BankDepth);
    typedef logic [AddrW-BANK_AW-1:0] bank_t;

    logic [BANKS-1:0] we_q;
    logic [BANK_AW-1:0] waddr_q;
    logic [Width-1:0] wdata_q, bank_rdata[BANKS];
    bank_t bank_q[2];  // of the word that is read

    always_ff @(posedge clk_i) begin
      waddr_q <= BANK_AW'(waddr_i);
      wdata_q <= wdata_i;
      bank_q  <= '{bank_t'(raddr_i >> BANK_AW), bank_q[0]};
    end

    for (genvar b = 0; b < int'(BANKS); b++) begin : gen_bank
      (* ram_style = Style, no_rw_check, rw_addr_collision = "no" *) logic [Width-1:0] mem[BankDepth];
      logic [Width-1:0] read_q, out_q;

      always_ff @(posedge clk_i) begin
        we_q[b] <= we_i && bank_t'(waddr_i >> BANK_AW) == bank_t'(b);
        if (we_q[b]) mem[waddr_q] <= wdata_q;
        if (re_i && bank_t'(raddr_i >> BANK_AW) == bank_t'(b)) read_q <= mem[BANK_AW'(raddr_i)];
        if (re_q[0]) out_q <= read_q;
      end
      assign bank_rdata[b] = out_q;
    end

    always_ff @(posedge clk_i) begin
      if (re_q[1]) rdata_o <= bank_rdata[bank_q[1]];
    end
  end

endmodule

`default_nettype wire
