// SPDX-License-Identifier: Apache-2.0
// Three memories: one becomes block RAM, one distributed RAM, and one cannot become RAM although it asks to.

`default_nettype none

module memory #(
  parameter int unsigned Width = 36,
  parameter int unsigned Depth = 512,
  parameter string       Style = "auto",
  parameter bit          Reset = 1'b0
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     we_i,
  input  logic [$clog2(Depth)-1:0] addr_i,
  input  logic [Width-1:0]         data_i,
  output logic [Width-1:0]         data_o
);
  (* ram_style = Style, no_rw_check *) logic [Width-1:0] mem[Depth];

  always_ff @(posedge clk_i) begin
    if (we_i) mem[addr_i] <= data_i;
    data_o <= mem[addr_i];
    if (Reset && !rst_ni) begin
      for (int i = 0; i < int'(Depth); i++) mem[i] <= '0;
    end
  end
endmodule

module memories (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        we_i,
  input  logic [8:0]  addr_i,
  input  logic [35:0] data_i,
  output logic [35:0] block_o,
  output logic [35:0] reset_o,
  output logic [3:0]  small_o
);
  memory #(
    .Style("block")
  ) u_block (
    .clk_i,
    .rst_ni,
    .we_i,
    .addr_i,
    .data_i,
    .data_o(block_o)
  );
  memory #(
    .Width(4),
    .Depth(16)
  ) u_small (
    .clk_i,
    .rst_ni,
    .we_i,
    .addr_i(addr_i[3:0]),
    .data_i(data_i[3:0]),
    .data_o(small_o)
  );
  memory #(
    .Depth(8),
    .Width(2),
    .Reset(1'b1)
  ) u_reset (
    .clk_i,
    .rst_ni,
    .we_i,
    .addr_i(addr_i[2:0]),
    .data_i(data_i[1:0]),
    .data_o(reset_o[1:0])
  );
  assign reset_o[35:2] = '0;
endmodule

`default_nettype wire
