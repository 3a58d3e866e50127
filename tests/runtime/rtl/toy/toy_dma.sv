// SPDX-License-Identifier: Apache-2.0
// Four toy masters behind one register port, with the pins of peritus_top: exercises the harness and the
// memory model.
//
// | address | write                              | read                                |
// |---------|------------------------------------|-------------------------------------|
// | 0x00    | start                              | done                                |
// | 0x04    | bursts per port                    | same                                |
// | 0x08    | [3:0] ports, [4] port 0 copies, [5] slow, [11:8] fault | same                |
// | 0x0C    | source address / 64                | same                                |
// | 0x10    | destination address / 64           | same                                |
// | 0x14    |                                    | cycles from start to done           |
// | 0x18    |                                    | first-beat latency of port 0        |
// | 0x1C    |                                    | longest gap between beats, port 0   |
// | 0x20    |                                    | error responses of all ports        |
// | 0x24    | stops with an assertion            | never answers                       |
// | 0x28    |                                    | sum of all 32-bit words read        |
// Other addresses answer SLVERR.
`default_nettype none

module toy_dma #(
  parameter int unsigned AxiBytes = 16
) (
  input  logic                  aclk,
  input  logic                  aresetn,
  output logic                  irq_o,
  input  logic [11:0]           s_axil_awaddr,
  input  logic [2:0]            s_axil_awprot,
  input  logic                  s_axil_awvalid,
  output logic                  s_axil_awready,
  input  logic [31:0]           s_axil_wdata,
  input  logic [3:0]            s_axil_wstrb,
  input  logic                  s_axil_wvalid,
  output logic                  s_axil_wready,
  output logic [1:0]            s_axil_bresp,
  output logic                  s_axil_bvalid,
  input  logic                  s_axil_bready,
  input  logic [11:0]           s_axil_araddr,
  input  logic [2:0]            s_axil_arprot,
  input  logic                  s_axil_arvalid,
  output logic                  s_axil_arready,
  output logic [31:0]           s_axil_rdata,
  output logic [1:0]            s_axil_rresp,
  output logic                  s_axil_rvalid,
  input  logic                  s_axil_rready,
  output logic [39:0]           m00_axi_araddr,
  output logic [7:0]            m00_axi_arlen,
  output logic [2:0]            m00_axi_arsize,
  output logic [1:0]            m00_axi_arburst,
  output logic                  m00_axi_arvalid,
  input  logic                  m00_axi_arready,
  input  logic [8*AxiBytes-1:0] m00_axi_rdata,
  input  logic [1:0]            m00_axi_rresp,
  input  logic                  m00_axi_rlast,
  input  logic                  m00_axi_rvalid,
  output logic                  m00_axi_rready,
  output logic [39:0]           m00_axi_awaddr,
  output logic [7:0]            m00_axi_awlen,
  output logic [2:0]            m00_axi_awsize,
  output logic [1:0]            m00_axi_awburst,
  output logic                  m00_axi_awvalid,
  input  logic                  m00_axi_awready,
  output logic [8*AxiBytes-1:0] m00_axi_wdata,
  output logic [AxiBytes-1:0]   m00_axi_wstrb,
  output logic                  m00_axi_wlast,
  output logic                  m00_axi_wvalid,
  input  logic                  m00_axi_wready,
  input  logic [1:0]            m00_axi_bresp,
  input  logic                  m00_axi_bvalid,
  output logic                  m00_axi_bready,
  output logic [39:0]           m01_axi_araddr,
  output logic [7:0]            m01_axi_arlen,
  output logic [2:0]            m01_axi_arsize,
  output logic [1:0]            m01_axi_arburst,
  output logic                  m01_axi_arvalid,
  input  logic                  m01_axi_arready,
  input  logic [8*AxiBytes-1:0] m01_axi_rdata,
  input  logic [1:0]            m01_axi_rresp,
  input  logic                  m01_axi_rlast,
  input  logic                  m01_axi_rvalid,
  output logic                  m01_axi_rready,
  output logic [39:0]           m02_axi_araddr,
  output logic [7:0]            m02_axi_arlen,
  output logic [2:0]            m02_axi_arsize,
  output logic [1:0]            m02_axi_arburst,
  output logic                  m02_axi_arvalid,
  input  logic                  m02_axi_arready,
  input  logic [8*AxiBytes-1:0] m02_axi_rdata,
  input  logic [1:0]            m02_axi_rresp,
  input  logic                  m02_axi_rlast,
  input  logic                  m02_axi_rvalid,
  output logic                  m02_axi_rready,
  output logic [39:0]           m03_axi_araddr,
  output logic [7:0]            m03_axi_arlen,
  output logic [2:0]            m03_axi_arsize,
  output logic [1:0]            m03_axi_arburst,
  output logic                  m03_axi_arvalid,
  input  logic                  m03_axi_arready,
  input  logic [8*AxiBytes-1:0] m03_axi_rdata,
  input  logic [1:0]            m03_axi_rresp,
  input  logic                  m03_axi_rlast,
  input  logic                  m03_axi_rvalid,
  output logic                  m03_axi_rready
);

  logic [31:0] bursts, mode, src, dst, cycles;
  logic start, running;
  logic [3:0] done;
  logic [31:0] latency[4], gap[4], errors[4], checksum[4];

  assign irq_o = running && (done | ~mode[3:0]) == '1;

  // Register port: address and data of a write are taken together.
  wire write = s_axil_awvalid && s_axil_wvalid && !s_axil_bvalid;
  wire read = s_axil_arvalid && !s_axil_rvalid && s_axil_araddr != 12'h24;
  assign s_axil_awready = write;
  assign s_axil_wready = write;
  assign s_axil_arready = read;

  always_ff @(posedge aclk) begin
    start <= 1'b0;
    if (s_axil_bready) s_axil_bvalid <= 1'b0;
    if (s_axil_rready) s_axil_rvalid <= 1'b0;
    if (running && !irq_o) cycles <= cycles + 1;
    if (write) begin
      s_axil_bvalid <= 1'b1;
      s_axil_bresp <= 2'd0;
      case (s_axil_awaddr)
        12'h00: begin
          start <= 1'b1;
          running <= 1'b1;
          cycles <= '0;
        end
        12'h04:  bursts <= s_axil_wdata;
        12'h08:  mode <= s_axil_wdata;
        12'h0C:  src <= s_axil_wdata;
        12'h10:  dst <= s_axil_wdata;
        12'h24:  $stop;
        default: s_axil_bresp <= 2'd2;
      endcase
    end
    if (read) begin
      s_axil_rvalid <= 1'b1;
      s_axil_rresp <= 2'd0;
      case (s_axil_araddr)
        12'h00:  s_axil_rdata <= 32'(irq_o);
        12'h04:  s_axil_rdata <= bursts;
        12'h08:  s_axil_rdata <= mode;
        12'h0C:  s_axil_rdata <= src;
        12'h10:  s_axil_rdata <= dst;
        12'h14:  s_axil_rdata <= cycles;
        12'h18:  s_axil_rdata <= latency[0];
        12'h1C:  s_axil_rdata <= gap[0];
        12'h20:  s_axil_rdata <= errors[0] + errors[1] + errors[2] + errors[3];
        12'h28:  s_axil_rdata <= checksum[0] + checksum[1] + checksum[2] + checksum[3];
        default: s_axil_rresp <= 2'd2;
      endcase
    end
    if (!aresetn) {start, running, s_axil_bvalid, s_axil_rvalid, cycles} <= '0;
  end


  toy_port #(
    .AxiBytes(AxiBytes)
  ) u_port0 (
    .clk_i        (aclk),
    .rst_ni       (aresetn),
    .start_i      (start && mode[0]),
    .copy_i       (mode[4]),
    .slow_i       (mode[5]),
    .fault_i      (mode[11:8]),
    .bursts_i     (bursts[15:0]),
    .src_i        ({2'd0, src, 6'd0} + 40'(0 * 16 * AxiBytes)),
    .dst_i        ({2'd0, dst, 6'd0} + 40'(0 * 16 * AxiBytes)),
    .stride_i     (40'(4 * 16 * AxiBytes)),
    .done_o       (done[0]),
    .latency_o    (latency[0]),
    .max_latency_o(gap[0]),
    .errors_o     (errors[0]),
    .checksum_o   (checksum[0]),
    .araddr_o     (m00_axi_araddr),
    .arlen_o      (m00_axi_arlen),
    .arsize_o     (m00_axi_arsize),
    .arburst_o    (m00_axi_arburst),
    .arvalid_o    (m00_axi_arvalid),
    .arready_i    (m00_axi_arready),
    .rdata_i      (m00_axi_rdata),
    .rresp_i      (m00_axi_rresp),
    .rlast_i      (m00_axi_rlast),
    .rvalid_i     (m00_axi_rvalid),
    .rready_o     (m00_axi_rready),
    .awaddr_o     (m00_axi_awaddr),
    .awlen_o      (m00_axi_awlen),
    .awsize_o     (m00_axi_awsize),
    .awburst_o    (m00_axi_awburst),
    .awvalid_o    (m00_axi_awvalid),
    .awready_i    (m00_axi_awready),
    .wdata_o      (m00_axi_wdata),
    .wstrb_o      (m00_axi_wstrb),
    .wlast_o      (m00_axi_wlast),
    .wvalid_o     (m00_axi_wvalid),
    .wready_i     (m00_axi_wready),
    .bresp_i      (m00_axi_bresp),
    .bvalid_i     (m00_axi_bvalid),
    .bready_o     (m00_axi_bready)
  );


  toy_port #(
    .AxiBytes(AxiBytes)
  ) u_port1 (
    .clk_i        (aclk),
    .rst_ni       (aresetn),
    .start_i      (start && mode[1]),
    .copy_i       (1'b0),
    .slow_i       (mode[5]),
    .fault_i      (mode[11:8]),
    .bursts_i     (bursts[15:0]),
    .src_i        ({2'd0, src, 6'd0} + 40'(1 * 16 * AxiBytes)),
    .dst_i        ({2'd0, dst, 6'd0} + 40'(1 * 16 * AxiBytes)),
    .stride_i     (40'(4 * 16 * AxiBytes)),
    .done_o       (done[1]),
    .latency_o    (latency[1]),
    .max_latency_o(gap[1]),
    .errors_o     (errors[1]),
    .checksum_o   (checksum[1]),
    .araddr_o     (m01_axi_araddr),
    .arlen_o      (m01_axi_arlen),
    .arsize_o     (m01_axi_arsize),
    .arburst_o    (m01_axi_arburst),
    .arvalid_o    (m01_axi_arvalid),
    .arready_i    (m01_axi_arready),
    .rdata_i      (m01_axi_rdata),
    .rresp_i      (m01_axi_rresp),
    .rlast_i      (m01_axi_rlast),
    .rvalid_i     (m01_axi_rvalid),
    .rready_o     (m01_axi_rready),
    .awaddr_o     (),
    .awlen_o      (),
    .awsize_o     (),
    .awburst_o    (),
    .awvalid_o    (),
    .awready_i    (1'b1),
    .wdata_o      (),
    .wstrb_o      (),
    .wlast_o      (),
    .wvalid_o     (),
    .wready_i     (1'b1),
    .bresp_i      ('0),
    .bvalid_i     ('0),
    .bready_o     ()
  );


  toy_port #(
    .AxiBytes(AxiBytes)
  ) u_port2 (
    .clk_i        (aclk),
    .rst_ni       (aresetn),
    .start_i      (start && mode[2]),
    .copy_i       (1'b0),
    .slow_i       (mode[5]),
    .fault_i      (mode[11:8]),
    .bursts_i     (bursts[15:0]),
    .src_i        ({2'd0, src, 6'd0} + 40'(2 * 16 * AxiBytes)),
    .dst_i        ({2'd0, dst, 6'd0} + 40'(2 * 16 * AxiBytes)),
    .stride_i     (40'(4 * 16 * AxiBytes)),
    .done_o       (done[2]),
    .latency_o    (latency[2]),
    .max_latency_o(gap[2]),
    .errors_o     (errors[2]),
    .checksum_o   (checksum[2]),
    .araddr_o     (m02_axi_araddr),
    .arlen_o      (m02_axi_arlen),
    .arsize_o     (m02_axi_arsize),
    .arburst_o    (m02_axi_arburst),
    .arvalid_o    (m02_axi_arvalid),
    .arready_i    (m02_axi_arready),
    .rdata_i      (m02_axi_rdata),
    .rresp_i      (m02_axi_rresp),
    .rlast_i      (m02_axi_rlast),
    .rvalid_i     (m02_axi_rvalid),
    .rready_o     (m02_axi_rready),
    .awaddr_o     (),
    .awlen_o      (),
    .awsize_o     (),
    .awburst_o    (),
    .awvalid_o    (),
    .awready_i    (1'b1),
    .wdata_o      (),
    .wstrb_o      (),
    .wlast_o      (),
    .wvalid_o     (),
    .wready_i     (1'b1),
    .bresp_i      ('0),
    .bvalid_i     ('0),
    .bready_o     ()
  );


  toy_port #(
    .AxiBytes(AxiBytes)
  ) u_port3 (
    .clk_i        (aclk),
    .rst_ni       (aresetn),
    .start_i      (start && mode[3]),
    .copy_i       (1'b0),
    .slow_i       (mode[5]),
    .fault_i      (mode[11:8]),
    .bursts_i     (bursts[15:0]),
    .src_i        ({2'd0, src, 6'd0} + 40'(3 * 16 * AxiBytes)),
    .dst_i        ({2'd0, dst, 6'd0} + 40'(3 * 16 * AxiBytes)),
    .stride_i     (40'(4 * 16 * AxiBytes)),
    .done_o       (done[3]),
    .latency_o    (latency[3]),
    .max_latency_o(gap[3]),
    .errors_o     (errors[3]),
    .checksum_o   (checksum[3]),
    .araddr_o     (m03_axi_araddr),
    .arlen_o      (m03_axi_arlen),
    .arsize_o     (m03_axi_arsize),
    .arburst_o    (m03_axi_arburst),
    .arvalid_o    (m03_axi_arvalid),
    .arready_i    (m03_axi_arready),
    .rdata_i      (m03_axi_rdata),
    .rresp_i      (m03_axi_rresp),
    .rlast_i      (m03_axi_rlast),
    .rvalid_i     (m03_axi_rvalid),
    .rready_o     (m03_axi_rready),
    .awaddr_o     (),
    .awlen_o      (),
    .awsize_o     (),
    .awburst_o    (),
    .awvalid_o    (),
    .awready_i    (1'b1),
    .wdata_o      (),
    .wstrb_o      (),
    .wlast_o      (),
    .wvalid_o     (),
    .wready_i     (1'b1),
    .bresp_i      ('0),
    .bvalid_i     ('0),
    .bready_o     ()
  );

endmodule

`default_nettype wire
