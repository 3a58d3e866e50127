// SPDX-License-Identifier: Apache-2.0
// The single-pass softmax as a stream: rows of scores in, their numerators and one factor per row out.
//
//   p = EXP_TABLE[min(max(row) - score, 255)],   {shift, mantissa} = reciprocal(sum of p)
//
//   data ─┬─ argmax ─ row maximum ─┬─ norm_replay ─ exp_lookup ─┬─ numerators
//         └────────────────────────┘                            └─ row sum ─ reciprocal ─ factor
//
// The division is left to who reads both: p mantissa 2^-shift sums to 1. Reference: peritus.reference.softmax, reciprocal.

`default_nettype none

module peritus_finn_softmax
  import peritus_latency_pkg::*;
#(
  parameter int unsigned Lanes = 4,
  parameter int unsigned Keys = 16  // scores of a row
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  // scores, int16 in 1/16 octaves
  input  logic                   valid_i,
  output logic                   ready_o,
  input  logic [Lanes-1:0][15:0] data_i,
  // numerators, uint8
  output logic                   valid_o,
  input  logic                   ready_i,
  output logic [Lanes-1:0][ 7:0] data_o,
  // one factor of each row
  output logic                   factor_valid_o,
  input  logic                   factor_ready_i,
  output logic [           21:0] factor_o
);

  localparam int unsigned FOLDS = Keys / Lanes;
  localparam int unsigned FOLD_W = (FOLDS > 1) ? $clog2(FOLDS) : 1;
  localparam int unsigned MAXIMUM_LATENCY = argmax_latency(Lanes) + 1;
  localparam int unsigned WAIT = FOLDS + MAXIMUM_LATENCY + NORM_REPLAY_LATENCY;
  localparam int unsigned SUM_LATENCY = adder_tree_latency(Lanes) + 1 + RECIPROCAL_LATENCY;
  localparam int unsigned SUM_W = 8 + $clog2(Lanes);
  localparam int unsigned ROW_SUM_W = 24;
  // Rows whose factor is on its way, from their first beat on
  localparam int unsigned ROWS = (WAIT + EXP_LOOKUP_LATENCY + SUM_LATENCY) / FOLDS + 2;

  logic ready, factor_ready, take, unused_take, first, last;
  logic [FOLD_W-1:0] fold_q;

  assign first = fold_q == '0;
  assign last = 32'(fold_q) == FOLDS - 1;
  assign ready_o = ready && (!first || factor_ready);

  always_ff @(posedge clk_i) begin
    if (take) fold_q <= last ? '0 : fold_q + FOLD_W'(1);
    if (!rst_ni) fold_q <= '0;
  end

  // Row maximum
  logic best_valid, best_last, row_last_q, row_valid_q, open_q;
  logic signed [15:0] best, row_maximum_q;
  logic [$clog2(Lanes)-1:0] unused_index;

  peritus_argmax #(
    .Inputs(Lanes),
    .Width (16)
  ) u_argmax (
    .clk_i,
    .rst_ni,
    .valid_i    (take),
    .value_i    (data_i),
    .candidate_i('1),
    .valid_o    (best_valid),
    .maximum_o  (best),
    .index_o    (unused_index)
  );

  peritus_delay_line #(
    .Width (1),
    .Stages(argmax_latency(Lanes))
  ) u_last (
    .clk_i,
    .en_i  (1'b1),
    .data_i(last),
    .data_o(best_last)
  );

  always_ff @(posedge clk_i) begin
    row_last_q <= best_last;
    if (best_valid) begin
      row_maximum_q <= (open_q && row_maximum_q > best) ? row_maximum_q : best;
      open_q <= !best_last;
    end
    row_valid_q <= best_valid;
    if (!rst_ni) begin
      open_q <= 1'b0;
      row_valid_q <= 1'b0;
    end
  end

  // The row again, with its maximum
  logic replay_valid;
  logic [Lanes-1:0][15:0] replay;
  logic signed [15:0] replay_maximum, score[Lanes];
  logic [7:0] replay_block;
  logic keep[Lanes];
  logic [7:0] p[Lanes];
  logic [Lanes-1:0][7:0] p_packed;
  logic p_valid, sum_valid;
  logic [SUM_W-1:0] sum;

  peritus_norm_replay #(
    .WordW (16 * Lanes),
    .StatsW(16),
    .Depth (WAIT)
  ) u_replay (
    .clk_i,
    .rst_ni,
    .start_i      (!rst_ni),
    .n_tiles_i    (8'(FOLDS)),
    .valid_i      (take),
    .word_i       (data_i),
    .stats_valid_i(row_valid_q && row_last_q),
    .stats_i      (row_maximum_q),
    .valid_o      (replay_valid),
    .word_o       (replay),
    .stats_o      (replay_maximum),
    .block_o      (replay_block)
  );

  always_comb begin
    for (int l = 0; l < int'(Lanes); l++) begin
      score[l] = signed'(replay[l]);
      keep[l] = 1'b1;
      p_packed[l] = p[l];
    end
  end

  peritus_exp_lookup #(
    .Lanes(Lanes)
  ) u_exp (
    .clk_i,
    .rst_ni,
    .valid_i    (replay_valid),
    .score_i    (score),
    .maximum_i  (replay_maximum),
    .keep_i     (keep),
    .valid_o    (p_valid),
    .p_o        (p),
    .sum_valid_o(sum_valid),
    .sum_o      (sum)
  );

  // Row sum and its reciprocal
  logic [7:0] sum_block;
  logic [ROW_SUM_W-1:0] row_sum_q;
  logic row_sum_valid_q, factor_valid;
  logic [15:0] mantissa;
  logic [5:0] shift;

  peritus_delay_line #(
    .Width (8),
    .Stages(EXP_LOOKUP_LATENCY + adder_tree_latency(Lanes))
  ) u_block (
    .clk_i,
    .en_i  (1'b1),
    .data_i(replay_block),
    .data_o(sum_block)
  );

  always_ff @(posedge clk_i) begin
    if (sum_valid) row_sum_q <= (sum_block == '0 ? '0 : row_sum_q) + ROW_SUM_W'(sum);
    row_sum_valid_q <= sum_valid && sum_block == 8'(FOLDS - 1) && rst_ni;
  end

  peritus_reciprocal u_reciprocal (
    .clk_i,
    .rst_ni,
    .valid_i(row_sum_valid_q),
    .v_i    (row_sum_q),
    .valid_o(factor_valid),
    .r_o    (mantissa),
    .shift_o(shift)
  );

  peritus_finn_flow #(
    .Width(8 * Lanes),
    .Depth(WAIT + EXP_LOOKUP_LATENCY + 2)
  ) u_flow (
    .clk_i,
    .rst_ni,
    .valid_i       (valid_i && (!first || factor_ready)),
    .ready_o       (ready),
    .take_o        (take),
    .result_valid_i(p_valid),
    .result_i      (p_packed),
    .valid_o,
    .ready_i,
    .data_o
  );

  peritus_finn_flow #(
    .Width(22),
    .Depth(ROWS)
  ) u_factor_flow (
    .clk_i,
    .rst_ni,
    .valid_i       (valid_i && first && ready),
    .ready_o       (factor_ready),
    .take_o        (unused_take),
    .result_valid_i(factor_valid),
    .result_i      ({shift, mantissa}),
    .valid_o       (factor_valid_o),
    .ready_i       (factor_ready_i),
    .data_o        (factor_o)
  );


  if (Lanes < 2 || Keys % Lanes != 0 || FOLDS > 255) begin : gen_check
    $error("finn_softmax: Lanes = %0d, at least 2, must divide Keys = %0d in at most 255", Lanes, Keys);
  end

endmodule

`default_nettype wire
