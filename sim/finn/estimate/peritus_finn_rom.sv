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

  localparam logic [255:0] MIX = 256'h9e3779b97f4a7c15_f39cc0605cedc834_1082276bf3a27251_f86c6a11d0c18e95;
  logic [Width-1:0] mem[Depth];

  initial begin
    for (int i = 0; i < int'(Depth); i++)
    mem[i] = Width'((256'(i * i + 40503) * MIX) ^ ((256'(i + 25173) * ~MIX) >> 7));
  end

  always_ff @(posedge clk_i) begin
    if (re_i) data_o <= mem[addr_i];
  end

  logic unused;
  assign unused = File == "";

endmodule

`default_nettype wire
