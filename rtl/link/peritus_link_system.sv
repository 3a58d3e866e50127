// SPDX-License-Identifier: Apache-2.0
// The accelerator for a board without a processor: registers and memory are reached over a serial line.
// Everything but the board's own pins, clock and reset; what is simulated is what is built.
//
//   rx ─ uart_rx ─ frame_rx ─▶ link_bridge ─▶ frame_tx ─ uart_tx ─ tx
//                               │       │
//                    peritus_top.s_axil  axi_memory ◀─ peritus_top.m00_axi

`default_nettype none

module peritus_link_system
  import peritus_pkg::*;
#(
  parameter int unsigned ClocksPerBit = 25,
  parameter int unsigned Banks = 5           // of memory, 64 KB each
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       rx_i,
  output logic       tx_o,
  output logic [2:0] activity_o   // level: interrupt; pulses: byte received, memory access
);

  if (AXI_PORTS != 1 || AXI_BYTES != 8) begin : gen_check
    $error("link_system: %0d memory ports of %0d bytes, must be 1 of 8", AXI_PORTS, AXI_BYTES);
  end

  localparam int unsigned WORDS = Banks * peritus_link_pkg::BANK_WORDS;
  localparam int unsigned MemoryAw = $clog2(WORDS);

  // ---- line and frames ----
  logic rx_byte, tx_byte, tx_byte_ready;
  logic [7:0] rx_data, tx_data;
  logic rx_enable, body_valid, body_end, body_ok, answer_valid, answer_ready, answer_last, answer_idle;
  logic [7:0] body_data, answer_data;

  peritus_uart_rx #(
    .ClocksPerBit(ClocksPerBit)
  ) u_uart_rx (
    .clk_i,
    .rst_ni,
    .rx_i,
    .valid_o(rx_byte),
    .data_o (rx_data)
  );
  peritus_frame_rx u_frame_rx (
    .clk_i,
    .rst_ni,
    .enable_i(rx_enable),
    .valid_i (rx_byte),
    .data_i  (rx_data),
    .valid_o (body_valid),
    .data_o  (body_data),
    .end_o   (body_end),
    .ok_o    (body_ok)
  );
  peritus_frame_tx u_frame_tx (
    .clk_i,
    .rst_ni,
    .valid_i(answer_valid),
    .ready_o(answer_ready),
    .data_i (answer_data),
    .last_i (answer_last),
    .idle_o (answer_idle),
    .valid_o(tx_byte),
    .ready_i(tx_byte_ready),
    .data_o (tx_data)
  );
  peritus_uart_tx #(
    .ClocksPerBit(ClocksPerBit)
  ) u_uart_tx (
    .clk_i,
    .rst_ni,
    .valid_i(tx_byte),
    .ready_o(tx_byte_ready),
    .data_i (tx_data),
    .tx_o
  );

  // ---- requests ----
  logic awvalid, awready, wvalid, wready, bvalid, arvalid, arready, rvalid, irq;
  logic [31:0] wdata, rdata;
  logic [11:0] addr;
  logic [1:0] bresp, rresp;
  logic mem_valid, mem_ready, mem_we, mem_rvalid;
  logic [MemoryAw-1:0] mem_addr;
  logic [63:0] mem_wdata, mem_rdata;

  peritus_link_bridge #(
    .MemoryWords(WORDS)
  ) u_bridge (
    .clk_i,
    .rst_ni,
    .rx_enable_o   (rx_enable),
    .rx_valid_i    (body_valid),
    .rx_data_i     (body_data),
    .rx_end_i      (body_end),
    .rx_ok_i       (body_ok),
    .tx_valid_o    (answer_valid),
    .tx_ready_i    (answer_ready),
    .tx_data_o     (answer_data),
    .tx_last_o     (answer_last),
    .tx_idle_i     (answer_idle),
    .axil_awvalid_o(awvalid),
    .axil_awready_i(awready),
    .axil_wvalid_o (wvalid),
    .axil_wready_i (wready),
    .axil_wdata_o  (wdata),
    .axil_bvalid_i (bvalid),
    .axil_berror_i (bresp[1]),
    .axil_arvalid_o(arvalid),
    .axil_arready_i(arready),
    .axil_rvalid_i (rvalid),
    .axil_rdata_i  (rdata),
    .axil_rerror_i (rresp[1]),
    .axil_addr_o   (addr),
    .irq_i         (irq),
    .mem_valid_o   (mem_valid),
    .mem_ready_i   (mem_ready),
    .mem_we_o      (mem_we),
    .mem_addr_o    (mem_addr),
    .mem_wdata_o   (mem_wdata),
    .mem_rvalid_i  (mem_rvalid),
    .mem_rdata_i   (mem_rdata)
  );

  // ---- accelerator and its memory ----
  logic m_awvalid, m_awready, m_wvalid, m_wready, m_wlast, m_bvalid, m_bready;
  logic m_arvalid, m_arready, m_rvalid, m_rready, m_rlast;
  logic [ADDR_W-1:0] m_awaddr, m_araddr;
  logic [7:0] m_awlen, m_arlen, m_wstrb;
  logic [63:0] m_wdata, m_rdata;
  logic [1:0] m_bresp, m_rresp;

  /* verilator lint_off PINCONNECTEMPTY */
  peritus_top u_peritus (
    .aclk           (clk_i),
    .aclk2x         (1'b0),
    .aresetn        (rst_ni),
    .irq_o          (irq),
    .s_axil_awvalid (awvalid),
    .s_axil_awready (awready),
    .s_axil_awaddr  (addr),
    .s_axil_awprot  ('0),
    .s_axil_wvalid  (wvalid),
    .s_axil_wready  (wready),
    .s_axil_wdata   (wdata),
    .s_axil_wstrb   ('1),
    .s_axil_bvalid  (bvalid),
    .s_axil_bready  (1'b1),
    .s_axil_bresp   (bresp),
    .s_axil_arvalid (arvalid),
    .s_axil_arready (arready),
    .s_axil_araddr  (addr),
    .s_axil_arprot  ('0),
    .s_axil_rvalid  (rvalid),
    .s_axil_rready  (1'b1),
    .s_axil_rdata   (rdata),
    .s_axil_rresp   (rresp),
    .m00_axi_awvalid(m_awvalid),
    .m00_axi_awready(m_awready),
    .m00_axi_awid   (),
    .m00_axi_awaddr (m_awaddr),
    .m00_axi_awlen  (m_awlen),
    .m00_axi_awsize (),
    .m00_axi_awburst(),
    .m00_axi_awcache(),
    .m00_axi_awprot (),
    .m00_axi_wvalid (m_wvalid),
    .m00_axi_wready (m_wready),
    .m00_axi_wdata  (m_wdata),
    .m00_axi_wstrb  (m_wstrb),
    .m00_axi_wlast  (m_wlast),
    .m00_axi_bvalid (m_bvalid),
    .m00_axi_bready (m_bready),
    .m00_axi_bid    ('0),
    .m00_axi_bresp  (m_bresp),
    .m00_axi_arvalid(m_arvalid),
    .m00_axi_arready(m_arready),
    .m00_axi_arid   (),
    .m00_axi_araddr (m_araddr),
    .m00_axi_arlen  (m_arlen),
    .m00_axi_arsize (),
    .m00_axi_arburst(),
    .m00_axi_arcache(),
    .m00_axi_arprot (),
    .m00_axi_rvalid (m_rvalid),
    .m00_axi_rready (m_rready),
    .m00_axi_rid    ('0),
    .m00_axi_rdata  (m_rdata),
    .m00_axi_rresp  (m_rresp),
    .m00_axi_rlast  (m_rlast),
    .m01_axi_arvalid(),
    .m01_axi_arready(1'b0),
    .m01_axi_arid   (),
    .m01_axi_araddr (),
    .m01_axi_arlen  (),
    .m01_axi_arsize (),
    .m01_axi_arburst(),
    .m01_axi_arcache(),
    .m01_axi_arprot (),
    .m01_axi_rvalid (1'b0),
    .m01_axi_rready (),
    .m01_axi_rid    ('0),
    .m01_axi_rdata  ('0),
    .m01_axi_rresp  ('0),
    .m01_axi_rlast  (1'b0),
    .m02_axi_arvalid(),
    .m02_axi_arready(1'b0),
    .m02_axi_arid   (),
    .m02_axi_araddr (),
    .m02_axi_arlen  (),
    .m02_axi_arsize (),
    .m02_axi_arburst(),
    .m02_axi_arcache(),
    .m02_axi_arprot (),
    .m02_axi_rvalid (1'b0),
    .m02_axi_rready (),
    .m02_axi_rid    ('0),
    .m02_axi_rdata  ('0),
    .m02_axi_rresp  ('0),
    .m02_axi_rlast  (1'b0),
    .m03_axi_arvalid(),
    .m03_axi_arready(1'b0),
    .m03_axi_arid   (),
    .m03_axi_araddr (),
    .m03_axi_arlen  (),
    .m03_axi_arsize (),
    .m03_axi_arburst(),
    .m03_axi_arcache(),
    .m03_axi_arprot (),
    .m03_axi_rvalid (1'b0),
    .m03_axi_rready (),
    .m03_axi_rid    ('0),
    .m03_axi_rdata  ('0),
    .m03_axi_rresp  ('0),
    .m03_axi_rlast  (1'b0)
  );
  /* verilator lint_on PINCONNECTEMPTY */

  peritus_axi_memory #(
    .Banks(Banks)
  ) u_memory (
    .clk_i,
    .rst_ni,
    .link_valid_i (mem_valid),
    .link_ready_o (mem_ready),
    .link_we_i    (mem_we),
    .link_addr_i  (mem_addr),
    .link_wdata_i (mem_wdata),
    .link_rvalid_o(mem_rvalid),
    .link_rdata_o (mem_rdata),
    .awvalid_i    (m_awvalid),
    .awready_o    (m_awready),
    .awaddr_i     (m_awaddr),
    .awlen_i      (m_awlen),
    .wvalid_i     (m_wvalid),
    .wready_o     (m_wready),
    .wdata_i      (m_wdata),
    .wstrb_i      (m_wstrb),
    .wlast_i      (m_wlast),
    .bvalid_o     (m_bvalid),
    .bready_i     (m_bready),
    .bresp_o      (m_bresp),
    .arvalid_i    (m_arvalid),
    .arready_o    (m_arready),
    .araddr_i     (m_araddr),
    .arlen_i      (m_arlen),
    .rvalid_o     (m_rvalid),
    .rready_i     (m_rready),
    .rdata_o      (m_rdata),
    .rresp_o      (m_rresp),
    .rlast_o      (m_rlast)
  );

  assign activity_o = {m_arvalid || m_awvalid, rx_byte, irq};

endmodule

`default_nettype wire
