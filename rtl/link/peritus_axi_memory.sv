// SPDX-License-Identifier: Apache-2.0
// The accelerator's memory: an AXI4 slave and the link's bridge in front of one chain_memory.
//
// Serves what peritus_top's port 0 does: INCR bursts of whole 64-bit words under one ID, data never stalled, strobes all
// or none. One burst of each direction at a time, the next one without a gap. A burst that leaves the memory is answered
// with SLVERR and touches nothing. Order of precedence, cycle by cycle: link, write, read; the link is slow.

`default_nettype none

module peritus_axi_memory
  import peritus_link_pkg::BANK_WORDS;
#(
  parameter int unsigned Banks = 5,
  localparam int unsigned Words = Banks * BANK_WORDS,
  localparam int unsigned AddrW = $clog2(Words)
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  // link
  input  logic             link_valid_i,
  output logic             link_ready_o,
  input  logic             link_we_i,
  input  logic [AddrW-1:0] link_addr_i,
  input  logic [63:0]      link_wdata_i,
  output logic             link_rvalid_o,
  output logic [63:0]      link_rdata_o,
  // AXI4
  input  logic             awvalid_i,
  output logic             awready_o,
  input  logic [39:0]      awaddr_i,
  input  logic [7:0]       awlen_i,
  input  logic             wvalid_i,
  output logic             wready_o,
  input  logic [63:0]      wdata_i,
  input  logic [7:0]       wstrb_i,
  input  logic             wlast_i,
  output logic             bvalid_o,
  input  logic             bready_i,
  output logic [1:0]       bresp_o,
  input  logic             arvalid_i,
  output logic             arready_o,
  input  logic [39:0]      araddr_i,
  input  logic [7:0]       arlen_i,
  output logic             rvalid_o,
  input  logic             rready_i,
  output logic [63:0]      rdata_o,
  output logic [1:0]       rresp_o,
  output logic             rlast_o
);

  localparam logic [1:0] OKAY = 2'b00;
  localparam logic [1:0] SLVERR = 2'b10;

  function automatic logic outside(logic [39:3] addr, logic [7:0] len);
    return addr[39:AddrW+3] != 0 || (AddrW + 1)'(addr[AddrW+2:3]) + (AddrW + 1)'(len) >= (AddrW + 1)'(Words);
  endfunction

  // ---- write burst ----
  logic writing_q, w_bad_q, write, w_beat;
  logic [AddrW-1:0] w_addr_q;

  assign awready_o = !writing_q && !bvalid_o;
  assign wready_o  = writing_q && !link_valid_i;
  assign w_beat    = wvalid_i && wready_o;
  assign write     = w_beat && wstrb_i[0] && !w_bad_q;

  always_ff @(posedge clk_i) begin
    if (awready_o && awvalid_i) begin
      writing_q <= 1'b1;
      w_bad_q   <= outside(awaddr_i[39:3], awlen_i);
      w_addr_q  <= awaddr_i[AddrW+2:3];
    end else if (w_beat) begin
      w_addr_q <= w_addr_q + 1'b1;
      if (wlast_i) begin
        writing_q <= 1'b0;
        bvalid_o  <= 1'b1;
        bresp_o   <= w_bad_q ? SLVERR : OKAY;
      end
    end
    if (bvalid_o && bready_i) bvalid_o <= 1'b0;
    if (!rst_ni) begin
      writing_q <= 1'b0;
      bvalid_o  <= 1'b0;
    end
  end

  // ---- read burst ----
  logic reading_q, r_bad_q, read;
  logic [AddrW-1:0] r_addr_q;
  logic [7:0] r_left_q;

  assign read      = reading_q && !link_valid_i && !(writing_q && wvalid_i);
  assign arready_o = !reading_q || (read && r_left_q == 0);

  always_ff @(posedge clk_i) begin
    if (arready_o) begin
      reading_q <= arvalid_i;
      r_bad_q   <= outside(araddr_i[39:3], arlen_i);
      r_addr_q  <= araddr_i[AddrW+2:3];
      r_left_q  <= arlen_i;
    end else if (read) begin
      r_addr_q <= r_addr_q + 1'b1;
      r_left_q <= r_left_q - 1'b1;
    end
    if (!rst_ni) reading_q <= 1'b0;
  end

  // ---- one operation per cycle; a read outside the memory reads word 0 ----
  typedef struct packed {logic link, bad, last;} tag_t;

  logic valid_q, we_q, rvalid;
  logic [AddrW-1:0] addr_q;
  logic [63:0] wdata_q, rdata;
  tag_t tag_q, tag;

  assign link_ready_o = 1'b1;

  always_ff @(posedge clk_i) begin
    valid_q <= rst_ni && (link_valid_i || write || read);
    we_q    <= link_valid_i ? link_we_i : write;
    addr_q  <= link_valid_i ? link_addr_i : write ? w_addr_q : r_bad_q ? '0 : r_addr_q;
    wdata_q <= link_valid_i ? link_wdata_i : wdata_i;
    tag_q   <= '{link: link_valid_i, bad: r_bad_q, last: r_left_q == 0};
  end

  peritus_chain_memory #(
    .Banks(Banks)
  ) u_memory (
    .clk_i,
    .rst_ni,
    .valid_i (valid_q),
    .we_i    (we_q),
    .addr_i  (addr_q),
    .wdata_i (wdata_q),
    .rvalid_o(rvalid),
    .rdata_o (rdata)
  );

  // What each read was for: as long under way as its data.
  tag_t [Banks:0] tags_q;

  always_ff @(posedge clk_i) tags_q <= {tags_q[Banks-1:0], tag_q};
  assign tag = tags_q[Banks];

  always_ff @(posedge clk_i) begin
    link_rvalid_o <= rst_ni && rvalid && tag.link;
    link_rdata_o  <= rdata;
    rvalid_o      <= rst_ni && rvalid && !tag.link;
    rdata_o       <= rdata;
    rresp_o       <= tag.bad ? SLVERR : OKAY;
    rlast_o       <= tag.last;
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      assert (!rvalid_o || rready_i)
      else $error("read data stalled");
      assert (!w_beat || wstrb_i inside {8'h00, 8'hff})
      else $error("strobes %b", wstrb_i);
    end
  end
`endif

endmodule

`default_nettype wire
