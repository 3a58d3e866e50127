// SPDX-License-Identifier: Apache-2.0
// Everything that software sees: registers, job queue, interrupt, errors, reset, counters. docs/generated/registers.md
//
// The registers are reset by aresetn alone; all else also by CONTROL.soft_reset, through reset_control.

`default_nettype none

module peritus_control_unit
  import peritus_pkg::*;
  import peritus_control_pkg::*;
(
  input  logic                 clk_i,
  input  logic                 rst_ni,           // aresetn
  // AXI4-Lite
  input  logic                 axil_awvalid_i,
  output logic                 axil_awready_o,
  input  logic [11:0]          axil_awaddr_i,
  input  logic                 axil_wvalid_i,
  output logic                 axil_wready_o,
  input  logic [31:0]          axil_wdata_i,
  input  logic [3:0]           axil_wstrb_i,
  output logic                 axil_bvalid_o,
  input  logic                 axil_bready_i,
  output logic [1:0]           axil_bresp_o,
  input  logic                 axil_arvalid_i,
  output logic                 axil_arready_o,
  input  logic [11:0]          axil_araddr_i,
  output logic                 axil_rvalid_o,
  input  logic                 axil_rready_i,
  output logic [31:0]          axil_rdata_o,
  output logic [1:0]           axil_rresp_o,
  output logic                 irq_o,
  // reset and stop
  output logic                 core_rst_no,
  output logic                 memory_rst_no,
  output logic                 flush_o,          // AXI masters: begin nothing new
  output logic                 stop_o,           // core: an error has occurred
  input  logic [AXI_PORTS:0]   axi_busy_i,       // bursts in flight: read ports, writes
  // memory side
  output config_t              config_o,
  output logic                 load_o,           // pulse
  input  logic                 loading_i,
  input  logic                 loaded_i,         // pulse
  input  events_t              events_i,
  input  event_addrs_t         event_addrs_i,
  input  logic [15:0]          fetch_entry_i,
  input  logic [AXI_PORTS-1:0] read_beat_i,
  input  logic                 write_beat_i,
  // core
  output logic                 job_valid_o,
  input  logic                 job_ready_i,
  output job_t                 job_o,
  output job_t                 running_job_o,    // the job last accepted
  output logic                 next_valid_o,     // job_o waits; the start of the running job has been seen
  input  logic                 job_done_i,
  input  logic [31:0]          job_done_seq_i,
  input  logic [3:0]           core_err_i,
  input  logic [39:0]          core_state_i,
  input  logic [15:0]          store_pc_i,
  input  logic                 array_busy_i,
  input  logic                 stall_weight_i,
  input  logic                 stall_wait_i
);

  peritus_csr_pkg::csr__in_t in;
  peritus_csr_pkg::csr__out_t out;

  logic [1:0] running_q;  // jobs begun and not done: one may wait for its results while the next has begun
  logic program_loaded_q, load_refused_q;
  logic idle, load, accepted, submit_refused, error_event;
  logic [1:0] queue_level;
  logic [31:0] done_seq_q, done_count_q;

  // ---- registers ----
  localparam int unsigned ADDRESS_W = peritus_csr_pkg::PERITUS_CSR_MIN_ADDR_WIDTH;
  logic req, req_wr, wr_ack, rd_ack;
  logic wr_stall, rd_stall, wr_err, rd_err;  // never
  logic [ADDRESS_W-1:0] addr;
  logic [31:0] wr_data, rd_data;

  peritus_axil_slave #(
    .AddressWidth(ADDRESS_W)
  ) u_axil (
    .clk_i,
    .rst_ni,
    .awvalid_i(axil_awvalid_i),
    .awready_o(axil_awready_o),
    .awaddr_i (axil_awaddr_i[ADDRESS_W-1:0]),
    .wvalid_i (axil_wvalid_i),
    .wready_o (axil_wready_o),
    .wdata_i  (axil_wdata_i),
    .wstrb_i  (axil_wstrb_i),
    .bvalid_o (axil_bvalid_o),
    .bready_i (axil_bready_i),
    .bresp_o  (axil_bresp_o),
    .arvalid_i(axil_arvalid_i),
    .arready_o(axil_arready_o),
    .araddr_i (axil_araddr_i[ADDRESS_W-1:0]),
    .rvalid_o (axil_rvalid_o),
    .rready_i (axil_rready_i),
    .rdata_o  (axil_rdata_o),
    .rresp_o  (axil_rresp_o),
    .req_o    (req),
    .req_wr_o (req_wr),
    .addr_o   (addr),
    .wr_data_o(wr_data),
    .wr_ack_i (wr_ack),
    .rd_ack_i (rd_ack),
    .rd_data_i(rd_data)
  );

  peritus_csr u_csr (
    .clk                 (clk_i),
    .rst_n               (rst_ni),
    .s_cpuif_req         (req),
    .s_cpuif_req_is_wr   (req_wr),
    .s_cpuif_addr        (addr),
    .s_cpuif_wr_data     (wr_data),
    .s_cpuif_wr_biten    ('1),        // registers are written whole
    .s_cpuif_req_stall_wr(wr_stall),
    .s_cpuif_req_stall_rd(rd_stall),
    .s_cpuif_rd_ack      (rd_ack),
    .s_cpuif_rd_err      (rd_err),
    .s_cpuif_rd_data     (rd_data),
    .s_cpuif_wr_ack      (wr_ack),
    .s_cpuif_wr_err      (wr_err),
    .hwif_in             (in),
    .hwif_out            (out)
  );

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      assert (!(req && (req_wr ? wr_stall : rd_stall)))
      else $error("a request before the answer to the one before");
      assert (!(rd_ack && rd_err) && !(wr_ack && wr_err))
      else $error("the register file refuses an access");
    end
  end
`else
  logic unused_never;
  assign unused_never = ^{wr_stall, rd_stall, wr_err, rd_err};
`endif

  // ---- reset, errors ----
  logic rst_n, draining;

  peritus_reset_control #(
    .Copies(3)
  ) u_reset (
    .clk_i,
    .rst_ni,
    .soft_reset_i(out.CONTROL.soft_reset.value),
    .idle_i      (axi_busy_i == 0),
    .rst_no      ({memory_rst_no, core_rst_no, rst_n}),
    .flush_o     (draining)
  );

  logic [7:0] cause;
  logic [3:0] core_cause;
  logic [15:0] error_instr;
  addr_t error_addr;

  peritus_error_capture u_errors (
    .clk_i,
    .rst_ni      (rst_n),
    .events_i,
    .addrs_i     (event_addrs_i),
    .core_err_i,
    .pc_i        (core_state_i[15:0]),
    .store_pc_i,
    .fetch_entry_i,
    .stop_o,
    .event_o     (error_event),
    .cause_o     (cause),
    .core_cause_o(core_cause),
    .instr_o     (error_instr),
    .addr_o      (error_addr)
  );

  assign flush_o = draining || stop_o;

  // ---- program and jobs ----
  assign accepted = job_valid_o && job_ready_i;
  assign idle   = running_q == 0 && !loading_i && queue_level == 0 && !stop_o && !draining;
  assign load   = out.CONTROL.load_program.value;
  assign load_o = load && idle;

  // The first job since the program was loaded fills what stays on chip.
  job_t next_job;
  logic cold_q;

  peritus_job_queue u_jobs (
    .clk_i,
    .rst_ni      (rst_n),
    .enable_i    (program_loaded_q && !loading_i && !stop_o),
    .submit_i    (out.JOB_SUBMIT.submit.value),
    // verilog_format: off  // patterns lose their indentation
    .submit_job_i('{
      seq: out.JOB_SEQ.value.value,
      features_en: out.JOB_FLAGS.features.value,
      cold: 1'b0,  // not yet known
      task_id: out.JOB_TASK.value.value,
      features: {out.JOB_FEATURES_HI.value.value, out.JOB_FEATURES_LO.value.value},
      out: {out.JOB_OUTPUT_HI.value.value, out.JOB_OUTPUT_LO.value.value},
      image: {out.JOB_IMAGE_HI.value.value, out.JOB_IMAGE_LO.value.value}
    }),
    // verilog_format: on
    .refused_o   (submit_refused),
    .level_o     (queue_level),
    .job_valid_o,
    .job_ready_i,
    .job_o       (next_job)
  );

  always_comb begin
    job_o      = next_job;
    job_o.cold = cold_q;
  end

  always_ff @(posedge clk_i) begin
    if (load_o) cold_q <= 1'b1;
    else if (accepted) cold_q <= 1'b0;
  end

  // A start is registered twice on its way to the prefetcher.
  logic [2:0] seen_q;
  assign next_valid_o = job_valid_o && seen_q[2];
  always_ff @(posedge clk_i) seen_q <= (rst_n && running_q != 0 && !accepted) ? {seen_q[1:0], 1'b1} : '0;

  always_ff @(posedge clk_i) begin
    if (accepted) running_job_o <= job_o;
    if (!rst_n) begin
      running_q        <= '0;
      program_loaded_q <= 1'b0;
      load_refused_q   <= 1'b0;
      done_seq_q       <= '0;
      done_count_q     <= '0;
    end else begin
      running_q <= running_q + 2'(accepted) - 2'(job_done_i);
      if (load_o) program_loaded_q <= 1'b0;
      else if (loaded_i) program_loaded_q <= 1'b1;
      load_refused_q <= load && !idle;
      if (job_done_i) begin
        done_seq_q   <= job_done_seq_i;
        done_count_q <= done_count_q + 1'b1;
      end
    end
  end

  // ---- counters; those of a job that has begun behind another's results start at the other's end ----
  logic [63:0] cycles;
  logic [31:0] array_busy, stall_weight, stall_wait, write_bytes;
  logic [31:0] read_bytes[AXI_PORTS];

  peritus_perf_counters u_counters (
    .clk_i,
    .rst_ni        (rst_n),
    .start_i       ((running_q == 2'(job_done_i)) ? accepted : job_done_i),
    .done_i        (job_done_i),
    .array_busy_i,
    .stall_weight_i,
    .stall_wait_i,
    .read_beat_i,
    .write_beat_i,
    .cycles_o      (cycles),
    .array_busy_o  (array_busy),
    .stall_weight_o(stall_weight),
    .stall_wait_o  (stall_wait),
    .write_bytes_o (write_bytes),
    .read_bytes_o  (read_bytes)
  );

  // ---- registers read by software ----
  always_comb begin
    in.ABI_VERSION.value.next           = ABI_VERSION;
    in.CONFIG_HASH_LO.value.next        = CONFIG_HASH[31:0];
    in.CONFIG_HASH_HI.value.next        = CONFIG_HASH[63:32];
    in.STATUS.busy.next                 = running_q != 0 || loading_i || queue_level != 0;
    in.STATUS.error.next                = stop_o;
    in.STATUS.program_loaded.next       = program_loaded_q;
    in.STATUS.loading.next              = loading_i;
    in.STATUS.resetting.next            = draining;
    in.STATUS.queue_level.next          = queue_level;
    in.IRQ_STATUS.done.hwset            = job_done_i;
    in.IRQ_STATUS.error.hwset           = error_event;
    in.IRQ_STATUS.program_loaded.hwset  = loaded_i;
    in.IRQ_STATUS.refused.hwset         = submit_refused || load_refused_q;
    in.IRQ_STATUS.done.hwclr            = draining;
    in.IRQ_STATUS.error.hwclr           = draining;
    in.IRQ_STATUS.program_loaded.hwclr  = draining;
    in.IRQ_STATUS.refused.hwclr         = draining;
    in.DONE_SEQ.value.next              = done_seq_q;
    in.DONE_COUNT.value.next            = done_count_q;
    in.ERROR_CAUSE.cause.next           = cause;
    in.ERROR_CAUSE.core.next            = core_cause;
    in.ERROR_INSTR.value.next           = 32'(error_instr);
    in.ERROR_ADDR_LO.value.next         = error_addr[31:0];
    in.ERROR_ADDR_HI.value.next         = 32'(error_addr[ADDR_W-1:32]);
    in.SEQ_STATE0.pc.next               = core_state_i[15:0];
    in.SEQ_STATE0.sequencer.next        = core_state_i[23:16];
    in.SEQ_STATE0.loader.next           = core_state_i[31:24];
    in.SEQ_STATE1.streamer.next         = core_state_i[39:32];
    in.SEQ_STATE1.reading.next          = 4'(axi_busy_i[AXI_PORTS-1:0]);
    in.SEQ_STATE1.writing.next          = axi_busy_i[AXI_PORTS];
    in.CYCLES_LO.value.next             = cycles[31:0];
    in.CYCLES_HI.value.next             = cycles[63:32];
    in.ARRAY_BUSY.value.next            = array_busy;
    in.STALL_WEIGHT.value.next          = stall_weight;
    in.STALL_WAIT.value.next            = stall_wait;
    in.WR_BYTES.value.next              = write_bytes;
    for (int p = 0; p < 4; p++) begin
      in.RD_BYTES[p].value.next = (p < int'(AXI_PORTS)) ? read_bytes[p%int'(AXI_PORTS)] : '0;
    end
  end

  // ---- registers read by hardware ----
  // verilog_format: off  // patterns lose their indentation
  assign config_o = '{
    program_addr:   {out.PROGRAM_ADDR_HI.value.value, out.PROGRAM_ADDR_LO.value.value},
    program_exec:   out.PROGRAM_EXEC.count.value,
    program_fetch:  out.PROGRAM_FETCH.count.value,
    weight_base:    {out.WEIGHT_BASE_HI.value.value, out.WEIGHT_BASE_LO.value.value},
    guard_program: '{
      base:  {out.GUARD_PROGRAM.BASE_HI.value.value, out.GUARD_PROGRAM.BASE_LO.value.value},
      limit: {out.GUARD_PROGRAM.LIMIT_HI.value.value, out.GUARD_PROGRAM.LIMIT_LO.value.value}},
    guard_weights: '{
      base:  {out.GUARD_WEIGHTS.BASE_HI.value.value, out.GUARD_WEIGHTS.BASE_LO.value.value},
      limit: {out.GUARD_WEIGHTS.LIMIT_HI.value.value, out.GUARD_WEIGHTS.LIMIT_LO.value.value}},
    guard_image: '{
      base:  {out.GUARD_IMAGE.BASE_HI.value.value, out.GUARD_IMAGE.BASE_LO.value.value},
      limit: {out.GUARD_IMAGE.LIMIT_HI.value.value, out.GUARD_IMAGE.LIMIT_LO.value.value}},
    guard_output: '{
      base:  {out.GUARD_OUTPUT.BASE_HI.value.value, out.GUARD_OUTPUT.BASE_LO.value.value},
      limit: {out.GUARD_OUTPUT.LIMIT_HI.value.value, out.GUARD_OUTPUT.LIMIT_LO.value.value}},
    guard_features: '{
      base:  {out.GUARD_FEATURES.BASE_HI.value.value, out.GUARD_FEATURES.BASE_LO.value.value},
      limit: {out.GUARD_FEATURES.LIMIT_HI.value.value, out.GUARD_FEATURES.LIMIT_LO.value.value}}
  };
  // verilog_format: on

  always_ff @(posedge clk_i) begin
    irq_o <= (out.IRQ_STATUS.done.value && out.IRQ_ENABLE.done.value) ||
             (out.IRQ_STATUS.error.value && out.IRQ_ENABLE.error.value) ||
             (out.IRQ_STATUS.program_loaded.value && out.IRQ_ENABLE.program_loaded.value) ||
             (out.IRQ_STATUS.refused.value && out.IRQ_ENABLE.refused.value);
  end

endmodule

`default_nettype wire
