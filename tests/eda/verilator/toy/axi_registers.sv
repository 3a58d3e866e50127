// SPDX-License-Identifier: Apache-2.0
// Four 32-bit registers behind AXI4-Lite: the smallest design that exercises the whole simulation flow.
// One access at a time; byte strobes honoured; responses always OKAY.

`default_nettype none

module axi_registers #(
  parameter int unsigned Registers = 4,
  localparam int unsigned AddrW = $clog2(Registers) + 2
) (
  input  logic             clk_i,
  input  logic             rst_ni,

  input  logic [AddrW-1:0] s_axil_awaddr,
  input  logic [2:0]       s_axil_awprot,
  input  logic             s_axil_awvalid,
  output logic             s_axil_awready,
  input  logic [31:0]      s_axil_wdata,
  input  logic [3:0]       s_axil_wstrb,
  input  logic             s_axil_wvalid,
  output logic             s_axil_wready,
  output logic [1:0]       s_axil_bresp,
  output logic             s_axil_bvalid,
  input  logic             s_axil_bready,
  input  logic [AddrW-1:0] s_axil_araddr,
  input  logic [2:0]       s_axil_arprot,
  input  logic             s_axil_arvalid,
  output logic             s_axil_arready,
  output logic [31:0]      s_axil_rdata,
  output logic [1:0]       s_axil_rresp,
  output logic             s_axil_rvalid,
  input  logic             s_axil_rready
);

  logic [31:0] registers_q[Registers];
  logic write, read;

  assign write = s_axil_awvalid & s_axil_wvalid & ~s_axil_bvalid;
  assign read = s_axil_arvalid & ~s_axil_rvalid;
  assign {s_axil_awready, s_axil_wready, s_axil_arready} = {write, write, read};
  assign {s_axil_bresp, s_axil_rresp} = '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      for (int i = 0; i < int'(Registers); i++) registers_q[i] <= '0;
      s_axil_bvalid <= 1'b0;
      s_axil_rvalid <= 1'b0;
      s_axil_rdata <= '0;
    end else begin
      if (s_axil_bready) s_axil_bvalid <= 1'b0;
      if (s_axil_rready) s_axil_rvalid <= 1'b0;
      if (write) begin
        s_axil_bvalid <= 1'b1;
        for (int b = 0; b < 4; b++) begin
          if (s_axil_wstrb[b]) registers_q[s_axil_awaddr[AddrW-1:2]][8*b+:8] <= s_axil_wdata[8*b+:8];
        end
      end
      if (read) begin
        s_axil_rvalid <= 1'b1;
        s_axil_rdata <= registers_q[s_axil_araddr[AddrW-1:2]];
      end
    end
  end

  logic unused;
  assign unused = ^{s_axil_awprot, s_axil_arprot, s_axil_awaddr[1:0], s_axil_araddr[1:0]};

endmodule

`default_nettype wire
