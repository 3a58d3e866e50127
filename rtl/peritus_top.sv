// SPDX-License-Identifier: Apache-2.0
// The accelerator: AXI4-Lite registers, up to four AXI4 masters, one level interrupt. Flat ports, for any SoC tool.
//
//   s_axil        registers (docs/generated/registers.md)
//   m00_axi       weights, image and program in; results and features out
//   m01..m03_axi  weights in (read only); ports beyond AXI_PORTS are tied off
//
// All synchronous to aclk, but for the multipliers where DSP_RATIO is 2: their aclk2x has twice the frequency and all of
// aclk's rising edges (it is not used otherwise, nor by the behaviour that simulators see). aresetn is synchronous and
// active low. One ID per port, INCR bursts of at most 16 full-width beats, normal non-cacheable bufferable memory.

`default_nettype none

module peritus_top
  import peritus_pkg::*;
  import peritus_control_pkg::*;
#(
  parameter bit Dsp48e2 = 1'b0  // multipliers of UltraScale devices, instantiated (peritus_mac.sv)
) (
  input  logic                     aclk,
  input  logic                     aclk2x,
  input  logic                     aresetn,
  output logic                     irq_o,
  /* verilator lint_off UNUSEDSIGNAL */
  // registers; awprot and arprot are ignored
  input  logic                     s_axil_awvalid,
  output logic                     s_axil_awready,
  input  logic [11:0]              s_axil_awaddr,
  input  logic [2:0]               s_axil_awprot,
  input  logic                     s_axil_wvalid,
  output logic                     s_axil_wready,
  input  logic [31:0]              s_axil_wdata,
  input  logic [3:0]               s_axil_wstrb,
  output logic                     s_axil_bvalid,
  input  logic                     s_axil_bready,
  output logic [1:0]               s_axil_bresp,
  input  logic                     s_axil_arvalid,
  output logic                     s_axil_arready,
  input  logic [11:0]              s_axil_araddr,
  input  logic [2:0]               s_axil_arprot,
  output logic                     s_axil_rvalid,
  input  logic                     s_axil_rready,
  output logic [31:0]              s_axil_rdata,
  output logic [1:0]               s_axil_rresp,
  // memory; ids, and the low bit of responses (EXOKAY), are ignored
  output logic                     m00_axi_awvalid,
  input  logic                     m00_axi_awready,
  output logic [0:0]               m00_axi_awid,
  output logic [ADDR_W-1:0]        m00_axi_awaddr,
  output logic [7:0]               m00_axi_awlen,
  output logic [2:0]               m00_axi_awsize,
  output logic [1:0]               m00_axi_awburst,
  output logic [3:0]               m00_axi_awcache,
  output logic [2:0]               m00_axi_awprot,
  output logic                     m00_axi_wvalid,
  input  logic                     m00_axi_wready,
  output logic [AXI_BYTES*8-1:0]   m00_axi_wdata,
  output logic [AXI_BYTES-1:0]     m00_axi_wstrb,
  output logic                     m00_axi_wlast,
  input  logic                     m00_axi_bvalid,
  output logic                     m00_axi_bready,
  input  logic [0:0]               m00_axi_bid,
  input  logic [1:0]               m00_axi_bresp,
  output logic                     m00_axi_arvalid,
  input  logic                     m00_axi_arready,
  output logic [0:0]               m00_axi_arid,
  output logic [ADDR_W-1:0]        m00_axi_araddr,
  output logic [7:0]               m00_axi_arlen,
  output logic [2:0]               m00_axi_arsize,
  output logic [1:0]               m00_axi_arburst,
  output logic [3:0]               m00_axi_arcache,
  output logic [2:0]               m00_axi_arprot,
  input  logic                     m00_axi_rvalid,
  output logic                     m00_axi_rready,
  input  logic [0:0]               m00_axi_rid,
  input  logic [AXI_BYTES*8-1:0]   m00_axi_rdata,
  input  logic [1:0]               m00_axi_rresp,
  input  logic                     m00_axi_rlast,
  output logic                     m01_axi_arvalid,
  input  logic                     m01_axi_arready,
  output logic [0:0]               m01_axi_arid,
  output logic [ADDR_W-1:0]        m01_axi_araddr,
  output logic [7:0]               m01_axi_arlen,
  output logic [2:0]               m01_axi_arsize,
  output logic [1:0]               m01_axi_arburst,
  output logic [3:0]               m01_axi_arcache,
  output logic [2:0]               m01_axi_arprot,
  input  logic                     m01_axi_rvalid,
  output logic                     m01_axi_rready,
  input  logic [0:0]               m01_axi_rid,
  input  logic [AXI_BYTES*8-1:0]   m01_axi_rdata,
  input  logic [1:0]               m01_axi_rresp,
  input  logic                     m01_axi_rlast,
  output logic                     m02_axi_arvalid,
  input  logic                     m02_axi_arready,
  output logic [0:0]               m02_axi_arid,
  output logic [ADDR_W-1:0]        m02_axi_araddr,
  output logic [7:0]               m02_axi_arlen,
  output logic [2:0]               m02_axi_arsize,
  output logic [1:0]               m02_axi_arburst,
  output logic [3:0]               m02_axi_arcache,
  output logic [2:0]               m02_axi_arprot,
  input  logic                     m02_axi_rvalid,
  output logic                     m02_axi_rready,
  input  logic [0:0]               m02_axi_rid,
  input  logic [AXI_BYTES*8-1:0]   m02_axi_rdata,
  input  logic [1:0]               m02_axi_rresp,
  input  logic                     m02_axi_rlast,
  output logic                     m03_axi_arvalid,
  input  logic                     m03_axi_arready,
  output logic [0:0]               m03_axi_arid,
  output logic [ADDR_W-1:0]        m03_axi_araddr,
  output logic [7:0]               m03_axi_arlen,
  output logic [2:0]               m03_axi_arsize,
  output logic [1:0]               m03_axi_arburst,
  output logic [3:0]               m03_axi_arcache,
  output logic [2:0]               m03_axi_arprot,
  input  logic                     m03_axi_rvalid,
  output logic                     m03_axi_rready,
  input  logic [0:0]               m03_axi_rid,
  input  logic [AXI_BYTES*8-1:0]   m03_axi_rdata,
  input  logic [1:0]               m03_axi_rresp,
  input  logic                     m03_axi_rlast
  /* verilator lint_on UNUSEDSIGNAL */
);

  localparam logic [2:0] SIZE = 3'($clog2(AXI_BYTES));
  localparam logic [1:0] INCR = 2'b01;
  localparam logic [3:0] CACHE = 4'b0011;

  // ---- control ----
  logic core_rst_n, memory_rst_n, flush, stop;
  logic [AXI_PORTS:0] axi_busy;
  config_t config_regs;
  job_t queued_job, running_job;
  logic job_valid, job_ready, job_done, next_valid;
  logic [31:0] job_done_seq;
  logic load, loading, loaded;
  events_t events;
  event_addrs_t event_addrs;
  logic [15:0] fetch_entry;
  logic [AXI_PORTS-1:0] read_beat;
  logic write_beat;
  logic [3:0] core_err;
  logic [39:0] core_state;
  logic [15:0] store_pc;
  logic array_busy, stall_weight, stall_wait;

  peritus_control_unit u_control (
    .clk_i         (aclk),
    .rst_ni        (aresetn),
    .axil_awvalid_i(s_axil_awvalid),
    .axil_awready_o(s_axil_awready),
    .axil_awaddr_i (s_axil_awaddr),
    .axil_wvalid_i (s_axil_wvalid),
    .axil_wready_o (s_axil_wready),
    .axil_wdata_i  (s_axil_wdata),
    .axil_wstrb_i  (s_axil_wstrb),
    .axil_bvalid_o (s_axil_bvalid),
    .axil_bready_i (s_axil_bready),
    .axil_bresp_o  (s_axil_bresp),
    .axil_arvalid_i(s_axil_arvalid),
    .axil_arready_o(s_axil_arready),
    .axil_araddr_i (s_axil_araddr),
    .axil_rvalid_o (s_axil_rvalid),
    .axil_rready_i (s_axil_rready),
    .axil_rdata_o  (s_axil_rdata),
    .axil_rresp_o  (s_axil_rresp),
    .irq_o,
    .core_rst_no   (core_rst_n),
    .memory_rst_no (memory_rst_n),
    .flush_o       (flush),
    .stop_o        (stop),
    .axi_busy_i    (axi_busy),
    .config_o      (config_regs),
    .load_o        (load),
    .loading_i     (loading),
    .loaded_i      (loaded),
    .events_i      (events),
    .event_addrs_i (event_addrs),
    .fetch_entry_i (fetch_entry),
    .read_beat_i   (read_beat),
    .write_beat_i  (write_beat),
    .job_valid_o   (job_valid),
    .job_ready_i   (job_ready),
    .job_o         (queued_job),
    .running_job_o (running_job),
    .next_valid_o  (next_valid),
    .job_done_i    (job_done),
    .job_done_seq_i(job_done_seq),
    .core_err_i    (core_err),
    .core_state_i  (core_state),
    .store_pc_i    (store_pc),
    .array_busy_i  (array_busy),
    .stall_weight_i(stall_weight),
    .stall_wait_i  (stall_wait)
  );

  // ---- core ----
  logic prog_re, fetch_start, fetch_start_q;
  logic [PROGRAM_AW-1:0] prog_raddr;
  exec_instr_t prog_rdata, img_instr, st_instr;
  logic w_valid, w_plenty, w_ready, seg_done, drop_valid, drop_ready;
  logic [2*PN*8-1:0] w_data;
  logic [15:0] drop_stripes;
  logic [7:0] gates;
  logic routed;
  logic [MAX_EXPERTS-1:0] idle_experts;
  logic img_valid, img_ready, img_done, img_we;
  logic [ACT_AW-1:0] img_waddr;
  logic [PN*8-1:0] img_wdata;
  logic [PN/AXI_BYTES-1:0] img_wbe;
  logic st_valid, st_ready, st_done, st_re;
  logic [RESIDUAL_AW-1:0] st_raddr;
  logic [PN-1:0][RES_W-1:0] st_rdata;

  peritus_core #(
    .Dsp48e2(Dsp48e2)
  ) u_core (
    .clk_i         (aclk),
    .clk2x_i       (aclk2x),
    .rst_ni        (core_rst_n),
    .job_valid_i   (job_valid),
    .job_ready_o   (job_ready),
    .job_i         (queued_job),
    .job_done_o    (job_done),
    .job_done_seq_o(job_done_seq),
    .prog_re_o     (prog_re),
    .prog_raddr_o  (prog_raddr),
    .prog_rdata_i  (prog_rdata),
    .fetch_start_o (fetch_start),
    .w_valid_i     (w_valid),
    .w_data_i      (w_data),
    .w_plenty_i    (w_plenty),
    .w_ready_o     (w_ready),
    .seg_done_o    (seg_done),
    .drop_valid_o  (drop_valid),
    .drop_stripes_o(drop_stripes),
    .gates_o       (gates),
    .routed_o      (routed),
    .idle_experts_o(idle_experts),
    .drop_ready_i  (drop_ready),
    .img_valid_o   (img_valid),
    .img_ready_i   (img_ready),
    .img_instr_o   (img_instr),
    .img_done_i    (img_done),
    .img_we_i      (img_we),
    .img_waddr_i   (img_waddr),
    .img_wdata_i   (img_wdata),
    .img_wbe_i     (img_wbe),
    .st_valid_o    (st_valid),
    .st_ready_i    (st_ready),
    .st_instr_o    (st_instr),
    .st_done_i     (st_done),
    .st_re_i       (st_re),
    .st_raddr_i    (st_raddr),
    .st_rdata_o    (st_rdata),
    .err_i         (stop),
    .core_err_o    (core_err),
    .state_o       (core_state),
    .store_pc_o    (store_pc),
    .busy_o        (array_busy),
    .stall_weight_o(stall_weight),
    .stall_wait_o  (stall_wait)
  );

  // The running job is registered when it is accepted: its task is there one cycle later.
  always_ff @(posedge aclk) fetch_start_q <= core_rst_n && fetch_start;

  // ---- memory side ----
  logic [AXI_PORTS-1:0] arvalid, arready, rvalid, rready, rerror, rlast;
  logic [AXI_PORTS-1:0][ADDR_W-1:0] araddr;
  logic [AXI_PORTS-1:0][7:0] arlen;
  logic [AXI_PORTS-1:0][AXI_BYTES*8-1:0] rdata;

  peritus_memory_side u_memory (
    .clk_i         (aclk),
    .rst_ni        (memory_rst_n),
    .axi_rst_ni    (aresetn),
    .flush_i       (flush),
    .axi_busy_o    (axi_busy),
    .config_i      (config_regs),
    .job_i         (running_job),
    .next_valid_i  (next_valid),
    .next_task_i   (queued_job.task_id),
    .load_i        (load),
    .loading_o     (loading),
    .loaded_o      (loaded),
    .events_o      (events),
    .event_addrs_o (event_addrs),
    .fetch_entry_o (fetch_entry),
    .read_beat_o   (read_beat),
    .write_beat_o  (write_beat),
    .prog_re_i     (prog_re),
    .prog_raddr_i  (prog_raddr),
    .prog_rdata_o  (prog_rdata),
    .fetch_start_i (fetch_start_q),
    .w_valid_o     (w_valid),
    .w_data_o      (w_data),
    .w_plenty_o    (w_plenty),
    .w_ready_i     (w_ready),
    .seg_done_i    (seg_done),
    .drop_valid_i  (drop_valid),
    .drop_stripes_i(drop_stripes),
    .gates_i       (gates),
    .routed_i      (routed),
    .idle_experts_i(idle_experts),
    .drop_ready_o  (drop_ready),
    .img_valid_i   (img_valid),
    .img_ready_o   (img_ready),
    .img_instr_i   (img_instr),
    .img_done_o    (img_done),
    .img_we_o      (img_we),
    .img_waddr_o   (img_waddr),
    .img_wdata_o   (img_wdata),
    .img_wbe_o     (img_wbe),
    .st_valid_i    (st_valid),
    .st_ready_o    (st_ready),
    .st_instr_i    (st_instr),
    .st_done_o     (st_done),
    .st_re_o       (st_re),
    .st_raddr_o    (st_raddr),
    .st_rdata_i    (st_rdata),
    .arvalid_o     (arvalid),
    .arready_i     (arready),
    .araddr_o      (araddr),
    .arlen_o       (arlen),
    .rvalid_i      (rvalid),
    .rready_o      (rready),
    .rdata_i       (rdata),
    .rerror_i      (rerror),
    .rlast_i       (rlast),
    .awvalid_o     (m00_axi_awvalid),
    .awready_i     (m00_axi_awready),
    .awaddr_o      (m00_axi_awaddr),
    .awlen_o       (m00_axi_awlen),
    .wvalid_o      (m00_axi_wvalid),
    .wready_i      (m00_axi_wready),
    .wdata_o       (m00_axi_wdata),
    .wstrb_o       (m00_axi_wstrb),
    .wlast_o       (m00_axi_wlast),
    .bvalid_i      (m00_axi_bvalid),
    .bready_o      (m00_axi_bready),
    .berror_i      (m00_axi_bresp[1])
  );

  assign m00_axi_awid    = '0;
  assign m00_axi_awsize  = SIZE;
  assign m00_axi_awburst = INCR;
  assign m00_axi_awcache = CACHE;
  assign m00_axi_awprot  = '0;

  // ---- flat read ports ----
  assign m00_axi_arid    = '0;
  assign m00_axi_arsize  = SIZE;
  assign m00_axi_arburst = INCR;
  assign m00_axi_arcache = CACHE;
  assign m00_axi_arprot  = '0;
  assign m00_axi_arvalid = arvalid[0];
  assign m00_axi_araddr  = araddr[0];
  assign m00_axi_arlen   = arlen[0];
  assign m00_axi_rready  = rready[0];
  assign arready[0] = m00_axi_arready;
  assign rvalid[0]  = m00_axi_rvalid;
  assign rdata[0]   = m00_axi_rdata;
  assign rerror[0]  = m00_axi_rresp[1];
  assign rlast[0]   = m00_axi_rlast;

  assign m01_axi_arid    = '0;
  assign m01_axi_arsize  = SIZE;
  assign m01_axi_arburst = INCR;
  assign m01_axi_arcache = CACHE;
  assign m01_axi_arprot  = '0;
  if (AXI_PORTS > 1) begin : gen_m01
    assign m01_axi_arvalid = arvalid[1];
    assign m01_axi_araddr  = araddr[1];
    assign m01_axi_arlen   = arlen[1];
    assign m01_axi_rready  = rready[1];
    assign arready[1] = m01_axi_arready;
    assign rvalid[1]  = m01_axi_rvalid;
    assign rdata[1]   = m01_axi_rdata;
    assign rerror[1]  = m01_axi_rresp[1];
    assign rlast[1]   = m01_axi_rlast;
  end else begin : gen_no_m01
    assign m01_axi_arvalid = 1'b0;
    assign m01_axi_araddr  = '0;
    assign m01_axi_arlen   = '0;
    assign m01_axi_rready  = 1'b0;
  end

  assign m02_axi_arid    = '0;
  assign m02_axi_arsize  = SIZE;
  assign m02_axi_arburst = INCR;
  assign m02_axi_arcache = CACHE;
  assign m02_axi_arprot  = '0;
  if (AXI_PORTS > 2) begin : gen_m02
    assign m02_axi_arvalid = arvalid[2];
    assign m02_axi_araddr  = araddr[2];
    assign m02_axi_arlen   = arlen[2];
    assign m02_axi_rready  = rready[2];
    assign arready[2] = m02_axi_arready;
    assign rvalid[2]  = m02_axi_rvalid;
    assign rdata[2]   = m02_axi_rdata;
    assign rerror[2]  = m02_axi_rresp[1];
    assign rlast[2]   = m02_axi_rlast;
  end else begin : gen_no_m02
    assign m02_axi_arvalid = 1'b0;
    assign m02_axi_araddr  = '0;
    assign m02_axi_arlen   = '0;
    assign m02_axi_rready  = 1'b0;
  end

  assign m03_axi_arid    = '0;
  assign m03_axi_arsize  = SIZE;
  assign m03_axi_arburst = INCR;
  assign m03_axi_arcache = CACHE;
  assign m03_axi_arprot  = '0;
  if (AXI_PORTS > 3) begin : gen_m03
    assign m03_axi_arvalid = arvalid[3];
    assign m03_axi_araddr  = araddr[3];
    assign m03_axi_arlen   = arlen[3];
    assign m03_axi_rready  = rready[3];
    assign arready[3] = m03_axi_arready;
    assign rvalid[3]  = m03_axi_rvalid;
    assign rdata[3]   = m03_axi_rdata;
    assign rerror[3]  = m03_axi_rresp[1];
    assign rlast[3]   = m03_axi_rlast;
  end else begin : gen_no_m03
    assign m03_axi_arvalid = 1'b0;
    assign m03_axi_araddr  = '0;
    assign m03_axi_arlen   = '0;
    assign m03_axi_rready  = 1'b0;
  end

endmodule

`default_nettype wire
