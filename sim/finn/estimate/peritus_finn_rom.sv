// SPDX-License-Identifier: Apache-2.0
// Stand-in for the constants of a node where only their number counts: every word another pattern, no file.

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

  initial begin
    for (int i = 0; i < int'(Depth); i++) begin
      for (int b = 0; b < int'(Width); b++) mem[i][b] = ((i * 40503 + b * 25173 + i * b) >> 5) % 2 == 1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (re_i) data_o <= mem[addr_i];
  end

  logic unused;
  assign unused = File == "";

endmodule

`default_nettype wire
