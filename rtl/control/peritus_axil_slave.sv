// SPDX-License-Identifier: Apache-2.0
// AXI4-Lite to the register file: one access at a time, all of it from registers.
//
// Address and data of a request are registers before the register file decodes them, as each of its bits is read a few
// hundred times. Reads and writes that wait together take turns. The register file answers every request, a write at
// once, a read later, never with an error. Registers are written whole: a write of some of the bytes is answered with
// SLVERR, one of none is nothing.

`default_nettype none

module peritus_axil_slave #(
  parameter int unsigned AddressWidth = 12
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  // AXI4-Lite
  input  logic                    awvalid_i,
  output logic                    awready_o,
  input  logic [AddressWidth-1:0] awaddr_i,
  input  logic                    wvalid_i,
  output logic                    wready_o,
  input  logic [31:0]             wdata_i,
  input  logic [3:0]              wstrb_i,
  output logic                    bvalid_o,
  input  logic                    bready_i,
  output logic [1:0]              bresp_o,
  input  logic                    arvalid_i,
  output logic                    arready_o,
  input  logic [AddressWidth-1:0] araddr_i,
  output logic                    rvalid_o,
  input  logic                    rready_i,
  output logic [31:0]             rdata_o,
  output logic [1:0]              rresp_o,
  // register file
  output logic                    req_o,      // pulse
  output logic                    req_wr_o,
  output logic [AddressWidth-1:0] addr_o,     // of a whole word
  output logic [31:0]             wr_data_o,
  input  logic                    wr_ack_i,
  input  logic                    rd_ack_i,
  input  logic [31:0]             rd_data_i
);

  localparam logic [1:0] OKAY = 2'b00, SLVERR = 2'b10;

  logic aw_q, w_q, ar_q;  // accepted, not yet asked of the register file
  logic [AddressWidth-1:0] awaddr_q, araddr_q;
  logic [31:0] wdata_q;
  logic [3:0] wstrb_q;
  logic busy_q;  // from the request to the end of its response
  logic read, write, whole;

  assign awready_o = !aw_q;
  assign wready_o  = !w_q;
  assign arready_o = !ar_q;
  assign rresp_o   = OKAY;

  // After a write a read comes first, and the other way round.
  assign read  = !busy_q && ar_q && (req_wr_o || !(aw_q && w_q));
  assign write = !busy_q && aw_q && w_q && !read;
  assign whole = &wstrb_q;

  always_ff @(posedge clk_i) begin
    if (awready_o) awaddr_q <= awaddr_i;
    if (wready_o) {wstrb_q, wdata_q} <= {wstrb_i, wdata_i};
    if (arready_o) araddr_q <= araddr_i;
    if (read || write) begin
      addr_o <= {read ? araddr_q[AddressWidth-1:2] : awaddr_q[AddressWidth-1:2], 2'b00};
      wr_data_o <= wdata_q;
    end
    if (write) bresp_o <= (whole || wstrb_q == '0) ? OKAY : SLVERR;
    if (rd_ack_i) rdata_o <= rd_data_i;

    if (!rst_ni) begin
      aw_q     <= 1'b0;
      w_q      <= 1'b0;
      ar_q     <= 1'b0;
      busy_q   <= 1'b0;
      req_o    <= 1'b0;
      req_wr_o <= 1'b0;
      bvalid_o <= 1'b0;
      rvalid_o <= 1'b0;
    end else begin
      aw_q  <= aw_q ? !write : awvalid_i;
      w_q   <= w_q ? !write : wvalid_i;
      ar_q  <= ar_q ? !read : arvalid_i;
      req_o <= read || (write && whole);
      if (read || write) begin
        req_wr_o <= write;
        busy_q   <= 1'b1;
      end
      if (wr_ack_i || (write && !whole)) bvalid_o <= 1'b1;
      if (rd_ack_i) rvalid_o <= 1'b1;
      if ((bvalid_o && bready_i) || (rvalid_o && rready_i)) begin
        bvalid_o <= 1'b0;
        rvalid_o <= 1'b0;
        busy_q   <= 1'b0;
      end
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      assert (!(wr_ack_i || rd_ack_i) || (busy_q && !bvalid_o && !rvalid_o))
      else $error("an answer that nobody asked for");
    end
  end
`endif

endmodule

`default_nettype wire
