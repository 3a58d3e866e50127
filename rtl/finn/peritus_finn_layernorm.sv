// SPDX-License-Identifier: Apache-2.0
// Layer normalization as a stream: int16 -> int8, one beat of Lanes channels per cycle.
//
//   data ─┬─ norm_stats ─┬─ norm_replay ─ norm_lanes ─ FIFO
//         └──────────────┘                   │
//   rom ── gamma, beta, shift ───────────────┘
//
// A row's statistics are known when its last beat is in; its beats wait in norm_replay. File: words of Lanes parameters
// {shift uint8, gamma int16, beta int32}, first channel in the low bits. Reference: peritus.reference.layernorm.

`default_nettype none

module peritus_finn_layernorm
  import peritus_latency_pkg::*;
#(
  parameter int unsigned Lanes = 4,
  parameter int unsigned Channels = 16,
  parameter int unsigned Epsilon = 0,
  parameter string       File = ""
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   valid_i,
  output logic                   ready_o,
  input  logic [Lanes-1:0][15:0] data_i,
  output logic                   valid_o,
  input  logic                   ready_i,
  output logic [Lanes-1:0][ 7:0] data_o
);

  localparam int unsigned FOLDS = Channels / Lanes;
  localparam int unsigned FOLD_W = (FOLDS > 1) ? $clog2(FOLDS) : 1;
  localparam int unsigned SUM_W = 16 + $clog2(Channels);
  localparam int unsigned WIDTH_W = $clog2(Channels + 1);
  localparam int unsigned WAIT = FOLDS + norm_stats_latency(Lanes) + NORM_REPLAY_LATENCY;

  typedef struct packed {
    logic [7:0]  shift;
    logic [15:0] gamma;
    logic [31:0] beta;
  } channel_t;

  logic take, last;
  logic [FOLD_W-1:0] fold_q;
  logic signed [15:0] x[Lanes];

  assign last = 32'(fold_q) == FOLDS - 1;

  always_ff @(posedge clk_i) begin
    if (take) fold_q <= last ? '0 : fold_q + FOLD_W'(1);
    if (!rst_ni) fold_q <= '0;
  end

  always_comb begin
    for (int l = 0; l < int'(Lanes); l++) x[l] = signed'(data_i[l]);
  end

  // Statistics of a row, then its beats again
  logic stats_valid, lanes_valid;
  logic signed [SUM_W-1:0] stats_sum, lanes_sum;
  logic [15:0] stats_r, lanes_r;
  logic [4:0] stats_half, lanes_half;
  logic [Lanes-1:0][15:0] lanes_x;
  logic [7:0] lanes_block;

  peritus_norm_stats #(
    .Lanes   (Lanes),
    .MaxWidth(Channels)
  ) u_stats (
    .clk_i,
    .rst_ni,
    .width_i  (WIDTH_W'(Channels)),
    .epsilon_i(Epsilon),
    .valid_i  (take),
    .last_i   (last),
    .x_i      (x),
    .valid_o  (stats_valid),
    .sum_o    (stats_sum),
    .r_o      (stats_r),
    .half_o   (stats_half)
  );

  peritus_norm_replay #(
    .WordW (16 * Lanes),
    .StatsW(SUM_W + 16 + 5),
    .Depth (WAIT)
  ) u_replay (
    .clk_i,
    .rst_ni,
    .start_i      (!rst_ni),                           // empties it
    .n_tiles_i    (8'(FOLDS)),
    .valid_i      (take),
    .word_i       (data_i),
    .stats_valid_i(stats_valid),
    .stats_i      ({stats_sum, stats_r, stats_half}),
    .valid_o      (lanes_valid),
    .word_o       (lanes_x),
    .stats_o      ({lanes_sum, lanes_r, lanes_half}),
    .block_o      (lanes_block)
  );

  // Parameters are read so that they meet their beat at the affine step of the lanes.
  localparam int unsigned PARAMS_READ = NORM_AFFINE_LATENCY - 1;
  logic [7:0] params_block;
  channel_t [Lanes-1:0] channel;
  logic [Lanes-1:0][15:0] gamma;
  logic [Lanes-1:0][31:0] beta;
  logic [Lanes-1:0][7:0] shift;
  logic result_valid, unused_high;
  logic [Lanes-1:0][7:0] result;

  peritus_delay_line #(
    .Width (8),
    .Stages(PARAMS_READ)
  ) u_params_block (
    .clk_i,
    .en_i  (1'b1),
    .data_i(lanes_block),
    .data_o(params_block)
  );

  peritus_finn_rom #(
    .Width(56 * Lanes),
    .Depth(FOLDS),
    .File (File)
  ) u_rom (
    .clk_i,
    .re_i  (1'b1),
    .addr_i(params_block[FOLD_W-1:0]),
    .data_o(channel)
  );

  assign unused_high = ^params_block;

  always_comb begin
    for (int l = 0; l < int'(Lanes); l++) begin
      gamma[l] = channel[l].gamma;
      beta[l]  = channel[l].beta;
      shift[l] = channel[l].shift;
    end
  end

  peritus_norm_lanes #(
    .Lanes   (Lanes),
    .MaxWidth(Channels)
  ) u_lanes (
    .clk_i,
    .rst_ni,
    .width_i(WIDTH_W'(Channels)),
    .valid_i(lanes_valid),
    .x_i    (lanes_x),
    .sum_i  (lanes_sum),
    .r_i    (lanes_r),
    .half_i (lanes_half),
    .gamma_i(gamma),
    .beta_i (beta),
    .shift_i(shift),
    .valid_o(result_valid),
    .q_o    (result)
  );

  peritus_finn_flow #(
    .Width(8 * Lanes),
    .Depth(WAIT + NORM_LANES_LATENCY + 2)
  ) u_flow (
    .clk_i,
    .rst_ni,
    .valid_i,
    .ready_o,
    .take_o        (take),
    .result_valid_i(result_valid),
    .result_i      (result),
    .valid_o,
    .ready_i,
    .data_o
  );

  if (Lanes < 2 || Channels % Lanes != 0 || FOLDS > 255) begin : gen_check
    $error(
        "finn_layernorm: Lanes = %0d, at least 2, must divide Channels = %0d in at most 255", Lanes, Channels
    );
  end

endmodule

`default_nettype wire
