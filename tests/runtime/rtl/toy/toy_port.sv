// SPDX-License-Identifier: Apache-2.0
// One AXI4 master that reads `bursts_i` bursts and, in copy mode, writes them elsewhere. Can break the
// protocol on purpose (fault_i), to show that the memory model notices.
`default_nettype none

module toy_port #(
  parameter int unsigned AxiBytes = 16,
  parameter int unsigned Outstanding = 16
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  start_i,
  input  logic                  copy_i,
  input  logic                  slow_i,         // accept read data in one of four cycles only
  input  logic [3:0]            fault_i,
  input  logic [15:0]           bursts_i,
  input  logic [39:0]           src_i,
  input  logic [39:0]           dst_i,
  input  logic [39:0]           stride_i,       // from one burst to the next
  output logic                  done_o,
  output logic [31:0]           latency_o,      // cycles from the first AR to its first R
  output logic [31:0]           max_latency_o,  // longest gap between two accepted R beats
  output logic [31:0]           errors_o,       // responses other than OKAY
  output logic [31:0]           checksum_o,     // sum of all 32-bit words read

  output logic [39:0]           araddr_o,
  output logic [7:0]            arlen_o,
  output logic [2:0]            arsize_o,
  output logic [1:0]            arburst_o,
  output logic                  arvalid_o,
  input  logic                  arready_i,
  input  logic [8*AxiBytes-1:0] rdata_i,
  input  logic [1:0]            rresp_i,
  input  logic                  rlast_i,
  input  logic                  rvalid_i,
  output logic                  rready_o,
  output logic [39:0]           awaddr_o,
  output logic [7:0]            awlen_o,
  output logic [2:0]            awsize_o,
  output logic [1:0]            awburst_o,
  output logic                  awvalid_o,
  input  logic                  awready_i,
  output logic [8*AxiBytes-1:0] wdata_o,
  output logic [AxiBytes-1:0]   wstrb_o,
  output logic                  wlast_o,
  output logic                  wvalid_o,
  input  logic                  wready_i,
  input  logic [1:0]            bresp_i,
  input  logic                  bvalid_i,
  output logic                  bready_o
);

  typedef enum logic [3:0] {
    NONE,
    LONG,
    MISALIGNED,
    CROSSING,
    FIXED,
    NARROW,
    DROP_AR,
    CHANGE_AW,
    CHANGE_W,
    EARLY_WLAST
  } fault_e;
  localparam int unsigned BeatBits = $clog2(AxiBytes);
  localparam int unsigned FifoDepth = 32;

  logic [15:0] ar_left, aw_left, r_left, b_left;
  logic [39:0] ar_addr, aw_addr;
  logic [15:0] in_flight;
  logic running;
  logic [1:0] slow;
  logic [31:0] waited, first_wait;
  logic first_seen;
  logic toggle;  // flips every cycle while a fault needs an unstable signal
  logic [3:0] w_beat;

  // Copied data between R and W.
  logic [8*AxiBytes-1:0] fifo[FifoDepth];
  logic [4:0] fifo_head, fifo_tail;
  logic [5:0] fifo_count;

  logic [31:0] beat_sum;
  always_comb begin
    beat_sum = '0;
    for (int unsigned i = 0; i < AxiBytes / 4; i++) beat_sum += rdata_i[32*i+:32];
  end

  wire ar_done = arvalid_o && arready_i;
  wire r_done = rvalid_i && rready_o;
  wire aw_done = awvalid_o && awready_i;
  wire w_done = wvalid_o && wready_i;
  wire b_done = bvalid_i && bready_o;

  assign arvalid_o = ar_left != 0 && in_flight < 16'(Outstanding) && !(fault_i == DROP_AR && toggle);
  assign araddr_o = ar_addr + (fault_i == MISALIGNED ? 40'(AxiBytes) : fault_i == CROSSING ? 40'd4032 : '0);
  assign arlen_o = fault_i == LONG ? 8'd31 : 8'd15;
  assign arsize_o = 3'(BeatBits) - 3'(fault_i == NARROW);
  assign arburst_o = fault_i == FIXED ? 2'd0 : 2'd1;
  assign rready_o = (!slow_i || slow == 0) && (!copy_i || fifo_count < 6'(FifoDepth));
  assign awvalid_o = aw_left != 0;
  assign awaddr_o = aw_addr + (fault_i == CHANGE_AW && toggle ? 40'h1000 : '0);
  assign awlen_o = 8'd15;
  assign awsize_o = 3'(BeatBits);
  assign awburst_o = 2'd1;
  assign wvalid_o = fifo_count != 0;
  assign wdata_o = fifo[fifo_head] ^ (8 * AxiBytes)'(fault_i == CHANGE_W && toggle);
  assign wstrb_o = '1;
  assign wlast_o = w_beat == (fault_i == EARLY_WLAST ? 4'd14 : 4'd15);
  assign bready_o = 1'b1;
  assign done_o = running && r_left == 0 && (!copy_i || b_left == 0);

  always_ff @(posedge clk_i) begin
    slow <= slow + 2'd1;
    toggle <= !toggle;
    if (!rst_ni) begin
      {ar_left, aw_left, r_left, b_left, in_flight, running} <= '0;
      {fifo_head, fifo_tail, fifo_count, w_beat} <= '0;
      {latency_o, max_latency_o, errors_o, checksum_o, waited, first_wait, first_seen, slow, toggle} <= '0;
    end else if (start_i) begin
      ar_left <= bursts_i;
      r_left <= bursts_i << 4;
      aw_left <= copy_i ? bursts_i : '0;
      b_left <= copy_i ? bursts_i : '0;
      ar_addr <= src_i;
      aw_addr <= dst_i;
      running <= 1'b1;
      {waited, first_wait, first_seen} <= '0;
    end else begin
      in_flight <= in_flight + 16'(ar_done) - 16'(r_done && rlast_i);
      if (ar_done) begin
        ar_left <= ar_left - 1;
        ar_addr <= ar_addr + stride_i;
      end
      if (aw_done) begin
        aw_left <= aw_left - 1;
        aw_addr <= aw_addr + stride_i;
      end
      if (r_done) begin
        r_left <= r_left - 1;
        errors_o <= errors_o + 32'(rresp_i != 0);
        checksum_o <= checksum_o + beat_sum;
        first_seen <= 1'b1;
        waited <= '0;
        if (!first_seen) latency_o <= first_wait;
        else if (waited > max_latency_o) max_latency_o <= waited;
      end else if (first_seen) waited <= waited + 1;
      if (ar_done || first_wait != 0) first_wait <= first_wait + 1;
      if (r_done && copy_i) begin
        fifo[fifo_tail] <= rdata_i;
        fifo_tail <= fifo_tail + 1;
      end
      if (w_done) begin
        fifo_head <= fifo_head + 1;
        w_beat <= w_beat + 1;
      end
      fifo_count <= fifo_count + 6'(r_done && copy_i) - 6'(w_done);
      if (b_done) begin
        b_left <= b_left - 1;
        errors_o <= errors_o + 32'(bresp_i != 0);
      end
    end
  end

endmodule

`default_nettype wire
