// SPDX-License-Identifier: Apache-2.0
// Watches the copy buffer of port 0 (memory 1) and the data that port 3 reads (memory 2).
`default_nettype none

bind toy_dma peritus_write_monitor #(
  .Memory (1),
  .Width  (8 * AxiBytes),
  .AddrW  (5),
  .EnableW(2)
) u_monitor0 (
  .clk_i   (aclk),
  .we_i    (u_port0.r_done && mode[4]),
  .waddr_i (u_port0.fifo_tail),
  .enable_i(2'b10),
  .wdata_i (m00_axi_rdata)
);
bind toy_dma peritus_write_monitor #(
  .Memory(2),
  .Width (8 * AxiBytes),
  .AddrW (5)
) u_monitor3 (
  .clk_i   (aclk),
  .we_i    (u_port3.r_done),
  .waddr_i (u_port3.r_left[4:0]),
  .enable_i(1'b1),
  .wdata_i (m03_axi_rdata)
);

`default_nettype wire
