// SPDX-License-Identifier: Apache-2.0
// In place of rtl/memory/peritus_ram_1r1w.sv: the proof drives what is read.

`default_nettype none

module peritus_ram_1r1w #(
  parameter  int unsigned Width = 8,
  parameter  int unsigned Depth = 8,
  parameter  string Style = "auto",
  parameter  bit Hold = 1'b1,
  parameter  int unsigned BankDepth = Depth,
  parameter  int unsigned ReadLatency = (BankDepth < Depth) ? 3 : 2,
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
endmodule

`default_nettype wire
