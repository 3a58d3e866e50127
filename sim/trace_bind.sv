// SPDX-License-Identifier: Apache-2.0
// Watches the write ports of the core's memories. Numbers and widths are those of peritus.arch.memories.

`default_nettype none

bind peritus_core peritus_write_monitor #(
  .Memory (ACT_MONITOR),
  .Width  (PN * ACT_LANE_W),
  .AddrW  (ACT_AW),
  .EnableW(ACT_CHUNKS)
) u_monitor_act (
  .clk_i,
  .we_i    (u_act.we_i),
  .waddr_i (u_act.waddr_i),
  .enable_i(u_act.be_i),
  .wdata_i (u_act.wdata_i)
);

bind peritus_core peritus_write_monitor #(
  .Memory(KV_MONITOR),
  .Width (PN * KV_LANE_W),
  .AddrW (KV_AW)
) u_monitor_kv (
  .clk_i,
  .we_i    (u_kv.we_i),
  .waddr_i (u_kv.waddr_i),
  .enable_i('1),
  .wdata_i (u_kv.wdata_i)
);

bind peritus_core peritus_write_monitor #(
  .Memory(SCORE_MONITOR),
  .Width (PN * SCORE_LANE_W),
  .AddrW (SCORE_AW)
) u_monitor_score (
  .clk_i,
  .we_i    (u_score.we_i),
  .waddr_i (u_score.waddr_i),
  .enable_i('1),
  .wdata_i (u_score.wdata_i)
);

bind peritus_core peritus_write_monitor #(
  .Memory(RESIDUAL_MONITOR),
  .Width (PN * RESIDUAL_LANE_W),
  .AddrW (RESIDUAL_AW)
) u_monitor_residual (
  .clk_i,
  .we_i    (u_residual.we_i),
  .waddr_i (u_residual.waddr_i),
  .enable_i('1),
  .wdata_i (u_residual.wdata_i)
);

// Router: not a memory, but its logits decide everything after it. The address is the token.
bind peritus_core peritus_write_monitor #(
  .Memory(ROUTER_MONITOR),
  .Width (PN * ROUTER_LANE_W),
  .AddrW (TOKEN_W)
) u_monitor_router (
  .clk_i,
  .we_i    (wb_router_we),
  .waddr_i (write_token.token),
  .enable_i('1),
  .wdata_i (half)
);

`default_nettype wire
