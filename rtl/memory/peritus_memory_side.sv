// SPDX-License-Identifier: Apache-2.0
// Everything between the core and DDR: program, weights, image in; results and features out.
//
//   port 0 read : weights, image, program (round robin)      port 0 write: results, features
//   port p read : weights, image (round robin)               every AXI_PORTS-th stripe, or burst
//
// rst_ni resets the blocks at any time; the AXI masters know only axi_rst_ni (aresetn) and drain on flush_i.

`default_nettype none

module peritus_memory_side
  import peritus_pkg::*;
  import peritus_control_pkg::*;
(
  input  logic                                  clk_i,
  input  logic                                  rst_ni,
  input  logic                                  axi_rst_ni,
  input  logic                                  flush_i,
  output logic                                  axi_idle_o,
  // control
  input  config_t                               config_i,
  input  job_t                                  job_i,          // running job; its number is not used here
  input  logic                                  next_valid_i,   // a job waits behind it
  input  logic [3:0]                            next_task_i,
  input  logic                                  load_i,
  output logic                                  loading_o,
  output logic                                  loaded_o,
  output events_t                               events_o,
  output event_addrs_t                          event_addrs_o,
  output logic [15:0]                           fetch_entry_o,
  output logic [AXI_PORTS-1:0]                  read_beat_o,
  output logic                                  write_beat_o,
  // core: program
  input  logic                                  prog_re_i,
  input  logic [PROGRAM_AW-1:0]                 prog_raddr_i,
  output exec_instr_t                           prog_rdata_o,
  // core: weights
  input  logic                                  fetch_start_i,
  output logic                                  w_valid_o,
  output logic                                  w_plenty_o,
  output logic [2*PN*8-1:0]                     w_data_o,
  input  logic                                  w_ready_i,
  input  logic                                  seg_done_i,
  input  logic                                  drop_valid_i,
  input  logic [15:0]                           drop_stripes_i,
  input  logic [7:0]                            gates_i,
  input  logic                                  routed_i,
  input  logic [MAX_EXPERTS-1:0]                idle_experts_i,
  output logic                                  drop_ready_o,
  // core: image
  input  logic                                  img_valid_i,
  output logic                                  img_ready_o,
  input  exec_instr_t                           img_instr_i,
  output logic                                  img_done_o,
  output logic                                  img_we_o,
  output logic [ACT_AW-1:0]                     img_waddr_o,
  output logic [PN*8-1:0]                       img_wdata_o,
  output logic [PN/AXI_BYTES-1:0]               img_wbe_o,
  // core: results
  input  logic                                  st_valid_i,
  output logic                                  st_ready_o,
  input  exec_instr_t                           st_instr_i,
  output logic                                  st_done_o,
  output logic                                  st_re_o,
  output logic [RESIDUAL_AW-1:0]                st_raddr_o,
  input  logic [PN-1:0][RES_W-1:0]              st_rdata_i,
  // AXI4 read, per port
  output logic [AXI_PORTS-1:0]                  arvalid_o,
  input  logic [AXI_PORTS-1:0]                  arready_i,
  output logic [AXI_PORTS-1:0][ADDR_W-1:0]      araddr_o,
  output logic [AXI_PORTS-1:0][7:0]             arlen_o,
  input  logic [AXI_PORTS-1:0]                  rvalid_i,
  output logic [AXI_PORTS-1:0]                  rready_o,
  input  logic [AXI_PORTS-1:0][AXI_BYTES*8-1:0] rdata_i,
  input  logic [AXI_PORTS-1:0]                  rerror_i,
  input  logic [AXI_PORTS-1:0]                  rlast_i,
  // AXI4 write, port 0
  output logic                                  awvalid_o,
  input  logic                                  awready_i,
  output logic [ADDR_W-1:0]                     awaddr_o,
  output logic [7:0]                            awlen_o,
  output logic                                  wvalid_o,
  input  logic                                  wready_i,
  output logic [AXI_BYTES*8-1:0]                wdata_o,
  output logic [AXI_BYTES-1:0]                  wstrb_o,
  output logic                                  wlast_o,
  input  logic                                  bvalid_i,
  output logic                                  bready_o,
  input  logic                                  berror_i
);

  localparam int unsigned BEAT_W = AXI_BYTES * 8;

  logic fetch_re;
  logic [FETCH_AW-1:0] fetch_raddr;
  fetch_entry_t fetch_rdata;
  logic program_we, program_we_fetch;
  logic [15:0] program_wbeat;
  logic [BEAT_W-1:0] program_wdata;
  logic freed, skip_valid;
  logic [15:0] skip_stripes;
  logic [AXI_PORTS-1:0] weight_req, weight_ready, weight_beat, reader_idle;
  logic [AXI_PORTS-1:0][BEAT_W-1:0] beat_data;
  addr_t weight_addr, image_addr, program_addr, store_addr;
  logic image_req, image_ready, image_beat;
  logic [AXI_PORTS-1:0] image_req_port, image_ready_port, image_beat_port, image_err;
  logic [BEAT_W-1:0] image_data;
  logic program_req, program_ready, program_beat;
  logic [4:0] image_beats, program_beats, store_beats;
  logic store_req, store_ready, store_beat, store_beat_ready, writer_idle;
  logic [BEAT_W-1:0] store_data;
  logic program_illegal, program_violation, weight_violation, image_violation;
  logic store_violation, store_features;
  logic [AXI_PORTS-1:0] weight_err;
  addr_t [AXI_PORTS-1:0] read_err_addr;
  logic program_err, write_err;
  addr_t write_err_addr;

  // ---- program ----
  peritus_program_memory u_program_memory (
    .clk_i,
    .we_i         (program_we),
    .we_fetch_i   (program_we_fetch),
    .wbeat_i      (program_wbeat),
    .wdata_i      (program_wdata),
    .exec_re_i    (prog_re_i),
    .exec_raddr_i (prog_raddr_i),
    .exec_rdata_o (prog_rdata_o),
    .fetch_re_i   (fetch_re),
    .fetch_raddr_i(fetch_raddr),
    .fetch_rdata_o(fetch_rdata)
  );

  peritus_program_loader u_program_loader (
    .clk_i,
    .rst_ni,
    .load_i,
    .addr_i      (config_i.program_addr),
    .exec_i      (config_i.program_exec),
    .fetch_i     (config_i.program_fetch),
    .window_i    (config_i.guard_program),
    .busy_o      (loading_o),
    .done_o      (loaded_o),
    .illegal_o   (program_illegal),
    .req_valid_o (program_req),
    .req_ready_i (program_ready),
    .req_addr_o  (program_addr),
    .req_beats_o (program_beats),
    .violation_o (program_violation),
    .beat_valid_i(program_beat),
    .beat_data_i (beat_data[0]),
    .we_o        (program_we),
    .we_fetch_o  (program_we_fetch),
    .wbeat_o     (program_wbeat),
    .wdata_o     (program_wdata)
  );

  // ---- weights ----
  peritus_weight_fetch u_weight_fetch (
    .clk_i,
    .rst_ni,
    .weight_base_i (config_i.weight_base),
    .window_i      (config_i.guard_weights),
    .entries_i     (config_i.program_fetch[FETCH_AW:0]),
    .start_i       (fetch_start_i),
    .task_i        (job_i.task_id),
    .cold_i        (job_i.cold),
    .next_valid_i,
    .next_task_i,
    .table_re_o    (fetch_re),
    .table_raddr_o (fetch_raddr),
    .table_rdata_i (fetch_rdata),
    .seg_done_i,
    .drop_valid_i,
    .drop_stripes_i,
    .gates_i,
    .routed_i,
    .idle_experts_i,
    .drop_ready_o,
    .freed_i       (freed),
    .skip_valid_o  (skip_valid),
    .skip_stripes_o(skip_stripes),
    .req_valid_o   (weight_req),
    .req_ready_i   (weight_ready),
    .req_addr_o    (weight_addr),
    .violation_o   (weight_violation),
    .entry_o       (fetch_entry_o)
  );

  peritus_weight_store u_weight_store (
    .clk_i,
    .rst_ni,
    .beat_valid_i  (weight_beat),
    .beat_data_i   (beat_data),
    .skip_valid_i  (skip_valid),
    .skip_stripes_i(skip_stripes),
    .freed_o       (freed),
    .w_valid_o,
    .w_ready_i,
    .w_data_o,
    .w_plenty_o
  );

  // ---- image ----
  peritus_image_loader u_image_loader (
    .clk_i,
    .rst_ni,
    .valid_i     (img_valid_i),
    .ready_o     (img_ready_o),
    .instr_i     (img_instr_i),
    .done_o      (img_done_o),
    .image_addr_i(job_i.image),
    .window_i    (config_i.guard_image),
    .req_valid_o (image_req),
    .req_ready_i (image_ready),
    .req_addr_o  (image_addr),
    .req_beats_o (image_beats),
    .violation_o (image_violation),
    .beat_valid_i(image_beat),
    .beat_data_i (image_data),
    .we_o        (img_we_o),
    .waddr_o     (img_waddr_o),
    .wdata_o     (img_wdata_o),
    .wbe_o       (img_wbe_o)
  );

  peritus_image_ports u_image_ports (
    .clk_i,
    .rst_ni,
    .req_valid_i (image_req),
    .req_ready_o (image_ready),
    .req_beats_i (image_beats),
    .beat_valid_o(image_beat),
    .beat_data_o (image_data),
    .req_valid_o (image_req_port),
    .req_ready_i (image_ready_port),
    .beat_valid_i(image_beat_port),
    .beat_data_i (beat_data)
  );

  // ---- results ----
  peritus_result_writer u_result_writer (
    .clk_i,
    .rst_ni,
    .valid_i          (st_valid_i),
    .ready_o          (st_ready_o),
    .instr_i          (st_instr_i),
    .done_o           (st_done_o),
    .output_addr_i    (job_i.out),
    .features_addr_i  (job_i.features),
    .output_window_i  (config_i.guard_output),
    .features_window_i(config_i.guard_features),
    .features_o       (store_features),
    .re_o             (st_re_o),
    .raddr_o          (st_raddr_o),
    .rdata_i          (st_rdata_i),
    .req_valid_o      (store_req),
    .req_ready_i      (store_ready),
    .req_addr_o       (store_addr),
    .req_beats_o      (store_beats),
    .violation_o      (store_violation),
    .beat_valid_o     (store_beat),
    .beat_ready_i     (store_beat_ready),
    .beat_data_o      (store_data),
    .writer_idle_i    (writer_idle)
  );

  peritus_axi_writer u_writer (
    .clk_i,
    .rst_ni      (axi_rst_ni),
    .flush_i,
    .idle_o      (writer_idle),
    .req_valid_i (store_req),
    .req_ready_o (store_ready),
    .req_addr_i  (store_addr),
    .req_beats_i (store_beats),
    .beat_valid_i(store_beat),
    .beat_ready_o(store_beat_ready),
    .beat_data_i (store_data),
    .err_o       (write_err),
    .err_addr_o  (write_err_addr),
    .awvalid_o,
    .awready_i,
    .awaddr_o,
    .awlen_o,
    .wvalid_o,
    .wready_i,
    .wdata_o,
    .wstrb_o,
    .wlast_o,
    .bvalid_i,
    .bready_o,
    .berror_i
  );

  // ---- read ports ----
  for (genvar p = 0; p < int'(AXI_PORTS); p++) begin : gen_port
    localparam int unsigned CLIENTS = (p == 0) ? 3 : 2;
    logic [CLIENTS-1:0] valid, ready, beat, err_client;
    logic [CLIENTS-1:0][ADDR_W-1:0] addr;
    logic [CLIENTS-1:0][4:0] beats;
    logic err;

    if (p == 0) begin : gen_shared
      assign valid = {program_req, image_req_port[p], weight_req[p]};
      assign addr  = {program_addr, image_addr, weight_addr};
      assign beats = {program_beats, image_beats, 5'(BURST_BEATS)};
      assign {program_ready, image_ready_port[p], weight_ready[p]} = ready;
      assign {program_beat, image_beat_port[p], weight_beat[p]}    = beat;
      assign {program_err, image_err[p], weight_err[p]}            = err_client & {CLIENTS{err}};
    end else begin : gen_weights
      assign valid = {image_req_port[p], weight_req[p]};
      assign addr  = {image_addr, weight_addr};
      assign beats = {image_beats, 5'(BURST_BEATS)};
      assign {image_ready_port[p], weight_ready[p]} = ready;
      assign {image_beat_port[p], weight_beat[p]}   = beat;
      assign {image_err[p], weight_err[p]}          = err_client & {CLIENTS{err}};
    end

    peritus_axi_reader #(
      .NumClients(CLIENTS)
    ) u_reader (
      .clk_i,
      .rst_ni      (axi_rst_ni),
      .flush_i,
      .idle_o      (reader_idle[p]),
      .req_valid_i (valid),
      .req_ready_o (ready),
      .req_addr_i  (addr),
      .req_beats_i (beats),
      .beat_valid_o(beat),
      .beat_data_o (beat_data[p]),
      .err_o       (err),
      .err_client_o(err_client),
      .err_addr_o  (read_err_addr[p]),
      .arvalid_o   (arvalid_o[p]),
      .arready_i   (arready_i[p]),
      .araddr_o    (araddr_o[p]),
      .arlen_o     (arlen_o[p]),
      .rvalid_i    (rvalid_i[p]),
      .rready_o    (rready_o[p]),
      .rdata_i     (rdata_i[p]),
      .rerror_i    (rerror_i[p]),
      .rlast_i     (rlast_i[p])
    );
  end

  assign axi_idle_o   = (&reader_idle) && writer_idle;
  assign read_beat_o  = rvalid_i & rready_o;
  assign write_beat_o = wvalid_o && wready_i && wstrb_o != 0;

  // ---- errors, numbered as in csr.rdl ----
  always_comb begin
    events_o                                   = '0;
    events_o[peritus_csr_pkg::error_cause__PROGRAM_SIZE]   = program_illegal;
    events_o[peritus_csr_pkg::error_cause__GUARD_PROGRAM]  = program_violation;
    events_o[peritus_csr_pkg::error_cause__GUARD_WEIGHTS]  = weight_violation;
    events_o[peritus_csr_pkg::error_cause__GUARD_IMAGE]    = image_violation;
    events_o[peritus_csr_pkg::error_cause__GUARD_OUTPUT]   = store_violation && !store_features;
    events_o[peritus_csr_pkg::error_cause__GUARD_FEATURES] = store_violation && store_features;
    events_o[peritus_csr_pkg::error_cause__BUS_PROGRAM]    = program_err;
    events_o[peritus_csr_pkg::error_cause__BUS_WEIGHTS]    = |weight_err;
    events_o[peritus_csr_pkg::error_cause__BUS_IMAGE]      = |image_err;
    events_o[peritus_csr_pkg::error_cause__BUS_WRITE]      = write_err;

    event_addrs_o = '0;
    event_addrs_o[peritus_csr_pkg::error_cause__GUARD_PROGRAM]  = program_addr;
    event_addrs_o[peritus_csr_pkg::error_cause__GUARD_WEIGHTS]  = weight_addr;
    event_addrs_o[peritus_csr_pkg::error_cause__GUARD_IMAGE]    = image_addr;
    event_addrs_o[peritus_csr_pkg::error_cause__GUARD_OUTPUT]   = store_addr;
    event_addrs_o[peritus_csr_pkg::error_cause__GUARD_FEATURES] = store_addr;
    event_addrs_o[peritus_csr_pkg::error_cause__BUS_PROGRAM]    = read_err_addr[0];
    event_addrs_o[peritus_csr_pkg::error_cause__BUS_WRITE]      = write_err_addr;
    for (int p = int'(AXI_PORTS) - 1; p >= 0; p--) begin
      if (weight_err[p]) event_addrs_o[peritus_csr_pkg::error_cause__BUS_WEIGHTS] = read_err_addr[p];
      if (image_err[p]) event_addrs_o[peritus_csr_pkg::error_cause__BUS_IMAGE] = read_err_addr[p];
    end
  end

endmodule

`default_nettype wire
