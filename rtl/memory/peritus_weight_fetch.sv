// SPDX-License-Identifier: Apache-2.0
// Prefetcher of the weight stream: walks the fetch table and asks for the ring's stripes, as far ahead as it holds.
//
//   start: for entry in fetch table: if entry.task_mask[task], and in the first job if cold_only:    -- one segment
//            unless its expert is known to be idle:
//            for s in entry.stripes: wait for a free slot of the ring;
//                                    request stripe i at weight_base + (entry.offset + s) * STRIPE_BYTES
//                                    on the next port in turn whose reader is free
//
// ahead counts the segments requested in full and not yet consumed. A drop removes the segment that would be consumed
// next: if that is the current one, still being requested (ahead = 0), the rest of it is never requested, and the
// stripes already under way are skipped in the ring; else all of it is skipped. skip_stripes_o says how many.
// A start skips whatever an earlier job left behind.
//
// Idle experts: gates_i and routed_i say which gate's queues are complete. From then on the walk passes over the segments of
// that gate's idle experts; their drops find nothing to skip. kept counts the segments that were walked before: a drop of
// one of those finds its stripes, requested or in the ring.
//
// next_valid_i: a job waits behind the running one. Once the table has ended it is walked for that job, whose first weights
// then arrive while the running job's result leaves; its start finds them there, and neither begins nor skips. Until then
// requests are AHEAD_PACE cycles apart: the result is not to wait for them.
//
// Latency: the first request leaves 9 cycles after start_i; then one in three cycles, seven from segment to segment.

`default_nettype none

module peritus_weight_fetch
  import peritus_pkg::*;
  import peritus_control_pkg::window_t;
(
  input  logic                    clk_i,
  input  logic                    rst_ni,
  // configuration
  input  logic [ADDR_W-1:0]       weight_base_i,
  input  window_t                 window_i,
  input  logic [FETCH_AW:0]       entries_i,
  // job
  input  logic                    start_i,
  input  logic [3:0]              task_i,
  input  logic                    cold_i,           // the first job since the program was loaded
  // the job behind the running one; that one's start has been seen
  input  logic                    next_valid_i,
  input  logic [3:0]              next_task_i,
  // fetch table, data two cycles after table_re_o
  output logic                    table_re_o,
  output logic [FETCH_AW-1:0]     table_raddr_o,
  input  fetch_entry_t            table_rdata_i,
  // consumer of the stream: a segment has been consumed, or is to be dropped
  input  logic                    seg_done_i,
  input  logic                    drop_valid_i,
  input  logic [15:0]             drop_stripes_i,
  output logic                    drop_ready_o,
  // router
  input  logic [7:0]              gates_i,          // gates of the running job that have emptied the queues
  input  logic                    routed_i,         // the queues are complete
  input  logic [MAX_EXPERTS-1:0]  idle_experts_i,
  // ring
  input  logic                    freed_i,          // one stripe has been consumed
  input  logic                    room_i,           // more may be on their way
  output logic                    skip_valid_o,
  output logic [15:0]             skip_stripes_o,
  // one stripe, to one of the ports
  output logic [AXI_PORTS-1:0]    req_valid_o,
  input  logic [AXI_PORTS-1:0]    req_ready_i,
  input  logic [AXI_PORTS-1:0]    port_open_i,      // its reader would take a request
  output logic [ADDR_W-1:0]       req_addr_o,
  output logic                    violation_o,      // req_addr_o is the refused address
  output logic [15:0]             entry_o           // fetch entry of req_addr_o
);

  localparam int unsigned RING_STRIPES = WEIGHT_STORE_WORDS / STRIPE_WORDS;

  typedef enum logic [2:0] {
    IDLE,
    READ,
    WAIT,
    DECODE,
    ADDRESS,
    ISSUE
  } state_e;

  state_e state_q;
  logic wait_q;  // second cycle of WAIT
  logic [FETCH_AW:0] entry_q;
  fetch_entry_t segment_q;
  logic [15:0] left_q, issued_q;  // stripes of this segment: not yet requested, requested
  logic [ADDR_W-1:0] addr_q;
  logic [15:0] ahead_q;
  logic current_q;  // ahead_q == 0
  logic [15:0] used_q;  // stripes requested and neither consumed nor skipped
  logic req_valid_q;
  logic [FETCH_AW:0] req_entry_q;
  logic [ADDR_W-1:0] req_addr_q;
  logic guard_ready, passed;
  logic [AXI_PORTS-1:0] turn_q, port_q;  // one-hot: the port served last, the one that is asked
  logic [AXI_PORTS-1:0] behind, port;
  logic wanted, wanted_q, last_entry_q;  // this entry: its task is the job's; no other follows
  logic drop, issue, next_entry, requested, consumed;
  logic [3:0] task_q;  // of the walk
  logic cold_q;
  logic begun_q;  // the walk is that of the next job
  logic [$clog2(AHEAD_PACE+1)-1:0] pace_q;  // cycles until it may go on
  logic [7:0] gate_q;  // gates whose experts the walk has begun
  logic routed_q;
  logic [15:0] kept_q;
  logic any_kept_q;  // kept_q != 0
  logic cancel, walked;
  logic restart, begin_next;
  assign restart = start_i && !begun_q;
  assign begin_next = state_q == IDLE && next_valid_i && !begun_q && !start_i;
  /* verilator lint_off UNUSEDSIGNAL */
  logic [4:0] passed_beats;  // always BURST_BEATS
  /* verilator lint_on UNUSEDSIGNAL */

  // ---- drops ----
  // The segment to be dropped is the current one: decided once its entry is known, or the table has ended. One that the
  // walk passes over has first to be passed.
  assign drop_ready_o   = routed_q && !start_i
                        && (!current_q || (any_kept_q && state_q == ISSUE) || state_q == IDLE);
  assign drop           = drop_valid_i && drop_ready_o;
  assign skip_valid_o   = restart || (drop && any_kept_q);
  always_comb begin
    skip_stripes_o = drop_stripes_i;
    if (restart) skip_stripes_o = used_q;
    else if (current_q) skip_stripes_o = (state_q == ISSUE) ? issued_q : '0;
  end

  // ---- idle experts ----
  assign cancel = state_q == DECODE && wanted_q && segment_q.expert_valid && routed_i && routed_q && !begun_q
                  && gate_q == gates_i && idle_experts_i[EXPERT_W'(segment_q.expert)];
  assign walked = state_q inside {ADDRESS, ISSUE} || (state_q == DECODE && wanted_q);  // the current segment

  always_ff @(posedge clk_i) begin
    routed_q <= routed_i && rst_ni;
    if (restart || begin_next) gate_q <= '0;
    else if (state_q == WAIT && wait_q && wanted && table_rdata_i.first_of_gate) gate_q <= gate_q + 8'd1;
    if (routed_i && !routed_q) begin
      kept_q     <= ahead_q + 16'(walked);
      any_kept_q <= !current_q || walked;
    end else if (consumed && any_kept_q) begin
      kept_q     <= kept_q - 1'b1;
      any_kept_q <= kept_q != 1;
    end
    if (!rst_ni || start_i) begin
      kept_q     <= '0;
      any_kept_q <= 1'b0;
    end
  end

  // ---- requests ----
  assign issue = state_q == ISSUE && left_q != 0 && 32'(used_q) < RING_STRIPES && room_i && !req_valid_q &&
                 !(drop && current_q) && !restart && pace_q == '0;
  assign next_entry = (state_q == DECODE && (!wanted_q || cancel)) ||
                      (state_q == ISSUE && (left_q == 0 || (drop && current_q)));
  assign requested = (next_entry && state_q == ISSUE) || cancel;
  assign wanted = table_rdata_i.task_mask[task_q] && (!table_rdata_i.cold_only || cold_q);
  assign consumed  = seg_done_i || drop;

  assign table_re_o    = state_q == READ;
  assign table_raddr_o = entry_q[FETCH_AW-1:0];

  always_ff @(posedge clk_i) begin
    wait_q <= state_q == WAIT && !wait_q;
    if (state_q == READ) last_entry_q <= entry_q + 1'b1 == entries_i;
    if (state_q == WAIT && wait_q) begin
      segment_q <= table_rdata_i;
      wanted_q  <= wanted;
    end
    if (state_q == ADDRESS) begin
      addr_q   <= weight_base_i + (ADDR_W'(segment_q.offset) << $clog2(STRIPE_BYTES));
      left_q   <= segment_q.stripes;
      issued_q <= '0;
    end
    if (issue) begin
      addr_q      <= addr_q + ADDR_W'(STRIPE_BYTES);
      left_q      <= left_q - 1'b1;
      issued_q    <= issued_q + 1'b1;
      req_addr_q  <= addr_q;
      req_entry_q <= entry_q;
    end
    if (issue && begun_q) pace_q <= ($bits(pace_q))'(AHEAD_PACE - 1);
    else if (pace_q != '0) pace_q <= pace_q - 1'b1;
    if (!rst_ni || start_i) pace_q <= '0;
    if (req_valid_q && guard_ready) entry_o <= 16'(req_entry_q);
    if (restart) begin
      task_q <= task_i;
      cold_q <= cold_i;
    end else if (begin_next) begin
      task_q <= next_task_i;
      cold_q <= 1'b0;
    end

    if (!rst_ni) begin
      state_q     <= IDLE;
      entry_q     <= '0;
      ahead_q     <= '0;
      current_q   <= 1'b1;
      used_q      <= '0;
      req_valid_q <= 1'b0;
      begun_q     <= 1'b0;
    end else begin
      if (start_i) begun_q <= 1'b0;
      else if (begin_next) begun_q <= 1'b1;
      if (issue) req_valid_q <= 1'b1;
      else if (guard_ready) req_valid_q <= 1'b0;
      used_q <= used_q + 16'(issue) - 16'(freed_i) - (skip_valid_o ? skip_stripes_o : '0);
      if (restart) begin
        state_q   <= (entries_i != 0) ? READ : IDLE;
        entry_q   <= '0;
        ahead_q   <= '0;
        current_q <= 1'b1;
      end else begin
        if (requested != consumed) begin
          ahead_q   <= requested ? ahead_q + 1'b1 : ahead_q - 1'b1;
          current_q <= consumed && ahead_q == 1;
        end
        if (begin_next) begin
          entry_q <= '0;
          state_q <= (entries_i != 0) ? READ : IDLE;
        end else if (next_entry) begin
          entry_q <= entry_q + 1'b1;
          state_q <= last_entry_q ? IDLE : READ;
        end else begin
          unique case (state_q)
            READ:    state_q <= WAIT;
            WAIT:    if (wait_q) state_q <= DECODE;
            DECODE:  state_q <= ADDRESS;
            ADDRESS: state_q <= ISSUE;
            default: state_q <= state_q;
          endcase
        end
      end
    end
  end

  peritus_guard #(
    .AlignBytes(STRIPE_BYTES)
  ) u_guard (
    .clk_i,
    .rst_ni,
    .window_i,
    .req_valid_i(req_valid_q),
    .req_ready_o(guard_ready),
    .req_addr_i (req_addr_q),
    .req_beats_i(5'(BURST_BEATS)),
    .req_valid_o(passed),
    .req_ready_i(|(port_q & req_ready_i)),
    .req_addr_o,
    .req_beats_o(passed_beats),
    .violation_o
  );

  assign req_valid_o = passed ? port_q : '0;

  // The first open port behind the one served last, else the lowest: chosen a cycle before it is asked, and again if another
  // client was served there.
  assign behind = port_open_i & ~(turn_q | (turn_q - 1'b1));
  assign port   = (behind != '0) ? behind & (~behind + 1'b1) : port_open_i & (~port_open_i + 1'b1);

  always_ff @(posedge clk_i) begin
    port_q <= port;
    if (!rst_ni) begin
      port_q <= '0;
      turn_q <= AXI_PORTS'(1) << (AXI_PORTS - 1);
    end else if (|(req_valid_o & req_ready_i)) begin
      turn_q <= port_q;
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      assert (32'(used_q) <= RING_STRIPES)
      else $error("more stripes consumed or skipped than requested");
      assert (!(seg_done_i && drop_valid_i))
      else $error("drop in the cycle of seg_done");
      assert (!(start_i && begun_q && cold_i))
      else $error("a walk ahead of the first job");
      assert (!(routed_i && !routed_q && consumed))
      else $error("a segment consumed in the cycle in which its gate has spoken");
      assert (any_kept_q == (kept_q != 0))
      else $error("any_kept_q is not kept_q != 0");
      assert (current_q == (ahead_q == 0))
      else $error("current_q is not ahead_q == 0");
      assert (!(seg_done_i && current_q && !requested))
      else $error("a segment consumed before requested");
    end
  end
`endif

endmodule

`default_nettype wire
