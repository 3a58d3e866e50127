// SPDX-License-Identifier: Apache-2.0
// Simple dual-port memory: one write port, one read port, read latency two cycles
// (array read, then output register), as block RAM and UltraRAM want it for a fast clock; more where blocks are stacked.
//
// A read of the address written in the same cycle returns undefined data: users keep them apart.
// Style: "ultra" maps to URAM288 on UltraScale+, "block" to block RAM, "distributed" to LUTs, "auto" leaves it to
// the tool.
// Hold: rdata_o keeps its value until the next read; without, it is that of raddr_i ReadLatency cycles ago, and no wide word
// of registers needs an enable (worth it where the memory is of LUTs; a block RAM has its own).

`default_nettype none

module peritus_ram_1r1w #(
  parameter int unsigned Width = 32,
  parameter int unsigned Depth = 256,
  parameter string       Style = "auto",
  parameter bit          Hold = 1'b1,
  parameter int unsigned ReadLatency = 2,
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

  // The last two say the same to Yosys and to Vivado: no logic for reads of an address being written.
  (* ram_style = Style, no_rw_check, rw_addr_collision = "no" *) logic [Width-1:0] mem[Depth];
  logic [Width-1:0] read_q;  // of the array itself; not a part of later_q, for Yosys to find it
  logic [Width-1:0] later_q[ReadLatency-1];
  logic [ReadLatency-2:0] re_q;

  if (ReadLatency < 2) begin : gen_illegal
    $fatal(1, "ram_1r1w: ReadLatency = %0d, must be 2 or more", ReadLatency);
  end

  always_ff @(posedge clk_i) begin
    if (we_i) mem[waddr_i] <= wdata_i;
    if (re_i || !Hold) read_q <= mem[raddr_i];
    re_q <= (ReadLatency - 1)'({re_q, re_i});
    if (re_q[0] || !Hold) later_q[0] <= read_q;
    for (int i = 1; i < int'(ReadLatency) - 1; i++) begin
      if (re_q[i] || !Hold) later_q[i] <= later_q[i-1];
    end
  end

  assign rdata_o = later_q[ReadLatency-2];

endmodule

`default_nettype wire
