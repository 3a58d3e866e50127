// SPDX-License-Identifier: Apache-2.0
// Watches the machines that decide when the array works: sim/peritus_cycle_monitor.sv.

`default_nettype none

bind peritus_core peritus_cycle_monitor u_monitor_cycles (
  .clk_i,
  .rst_ni,
  .sequencer_i     (sequencer_state),
  .pc_i            (pc),
  .opcode_i        (instr.opcode),
  .waits_i         (u_sequencer.wait_drain),
  .push_i          (gemm_valid && gemm_ready),
  .storing_i       (u_sequencer.storing_q),
  .store_pc_i      (store_pc_o),
  .ending_i        (u_sequencer.ending_q),
  .done_i          (job_done_o),
  .loader_i        (loader_state),
  .loader_idle_i   (loader_idle),
  .params_pending_i(u_tile_loader.params_pending_q),
  .params_i        (u_tile_loader.gemm_q.instr.params),
  .w_valid_i,
  .word_valid_i    (u_tile_loader.word_valid),
  .unit_wants_i    (ln_w_ready || ri_w_ready || pad_ready),
  .accept_i        (stream_valid && stream_ready),
  .queued_i        (stream_valid),
  .running_i       (u_streamer.running_q),
  .go_i            (u_streamer.go),
  .tile_ready_i    (tile_ready),
  .streamer_idle_i (streamer_idle),
  .router_busy_i   (router_busy),
  .layernorm_idle_i(layernorm_idle)
);

`default_nettype wire
