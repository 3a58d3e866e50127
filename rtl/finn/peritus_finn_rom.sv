// SPDX-License-Identifier: Apache-2.0
// Constants of a node: a memory that is only read, one cycle after the address.
//
// File: one word per line in hexadecimal, as $readmemh reads it; written with the node.

`default_nettype none

module peritus_finn_rom #(
  parameter  int unsigned Width = 8,
  parameter  int unsigned Depth = 2,
  parameter string        File = "",
  localparam int unsigned AddrW = (Depth > 1) ? $clog2(Depth) : 1
) (
  input  logic             clk_i,
  input  logic             re_i,
  input  logic [AddrW-1:0] addr_i,
  output logic [Width-1:0] data_o
);

  logic [Width-1:0] mem[Depth];

  initial $readmemh(File, mem);

  always_ff @(posedge clk_i) begin
    if (re_i) data_o <= mem[addr_i];
  end

endmodule

`default_nettype wire
