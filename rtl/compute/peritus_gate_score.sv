// SPDX-License-Identifier: Apache-2.0
// The TopK best experts of a token and their scores, a softmax over all experts without renormalization.
//
//   d = max - logit,   e = EXP2_TABLE[d & 255] >> (d >> 8),   (r, sh) = reciprocal(sum of e over all experts)
//   score_o = min(32768, rhu(e r, sh - 15)),   Q1.15, 32768 = 1.0;   best first, lowest index wins ties
//
//   logits ─ topk_stage ─┬─ topk_stage ─ ... ──── gate_exp (chosen) ── delay ─┬─ requantize ─ min
//                        └─ gate_exp (all) ─ adder_tree ─ reciprocal ─ delay ─┘
//
// Experts that are not in experts_i take part in nothing; with fewer experts than TopK the last outputs are
// meaningless. Reference: peritus.reference.router. Latency: gate_score_latency(Experts, TopK), one token per
// cycle. en_i is high while anything is inside.

`default_nettype none

module peritus_gate_score
  import peritus_latency_pkg::*;
#(
  parameter  int unsigned Experts = 8,
  parameter  int unsigned TopK = 2,
  localparam int unsigned ExpertW = $clog2(Experts)
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     en_i,
  input  logic [Experts-1:0]       experts_i,
  input  logic                     valid_i,
  input  logic [Experts-1:0][15:0] logits_i,  // signed
  output logic                     valid_o,
  output logic [ExpertW-1:0]       expert_o [TopK],
  output logic [15:0]              score_o [TopK]
);

  localparam int unsigned STAGE = topk_stage_latency(Experts);
  localparam int unsigned CHOSEN = gate_chosen_latency(Experts, TopK);
  localparam int unsigned SUM = gate_sum_latency(Experts);
  localparam int unsigned MEET = (CHOSEN > SUM) ? CHOSEN : SUM;
  localparam int unsigned SUM_W = 16 + $clog2(Experts);
  localparam logic [16:0] ONE = 17'd32768;

  // Selection: stage k finds the k-th best expert; the winners of one token are aligned at the end.
  logic select_valid[TopK+1];
  logic [Experts-1:0][15:0] value[TopK+1];
  logic [Experts-1:0] candidate[TopK+1];
  logic signed [15:0] best_value[TopK];
  logic [ExpertW-1:0] best_index[TopK];
  logic signed [15:0] chosen_value[TopK];

  assign select_valid[0] = valid_i;
  assign value[0] = logits_i;
  assign candidate[0] = experts_i;

  for (genvar k = 0; k < int'(TopK); k++) begin : gen_select
    peritus_topk_stage #(
      .Inputs(Experts)
    ) u_stage (
      .clk_i,
      .rst_ni,
      .en_i,
      .valid_i    (select_valid[k]),
      .value_i    (value[k]),
      .candidate_i(candidate[k]),
      .valid_o    (select_valid[k+1]),
      .maximum_o  (best_value[k]),
      .index_o    (best_index[k]),
      .value_o    (value[k+1]),
      .candidate_o(candidate[k+1])
    );

    peritus_delay_line #(
      .Width (16),
      .Stages((TopK - 1 - k) * STAGE)
    ) u_align_value (
      .clk_i,
      .en_i,
      .data_i(best_value[k]),
      .data_o(chosen_value[k])
    );

    peritus_delay_line #(
      .Width (ExpertW),
      .Stages((TopK - 1 - k) * STAGE + GATE_EXP_LATENCY + MEET - CHOSEN + REQUANTIZE_LATENCY + 1)
    ) u_align_index (
      .clk_i,
      .en_i,
      .data_i(best_index[k]),
      .data_o(expert_o[k])
    );
  end

  // Numerators of the chosen; the first of them is the maximum.
  logic chosen_keep[TopK];
  logic chosen_valid;
  logic [15:0] chosen_e[TopK];
  logic [TopK-1:0][15:0] e, e_early;

  always_comb begin
    for (int k = 0; k < int'(TopK); k++) begin
      chosen_keep[k] = 1'b1;
      e_early[k] = chosen_e[k];
    end
  end

  peritus_gate_exp #(
    .Lanes(TopK)
  ) u_exp_chosen (
    .clk_i,
    .rst_ni,
    .valid_i  (select_valid[TopK]),
    .maximum_i(chosen_value[0]),
    .logit_i  (chosen_value),
    .keep_i   (chosen_keep),
    .valid_o  (chosen_valid),
    .e_o      (chosen_e)
  );

  // Reciprocal of the sum over all experts
  logic signed [15:0] all_value[Experts];
  logic all_keep[Experts];
  logic all_valid, sum_valid, r_valid;
  logic [15:0] all_e[Experts];
  logic signed [16:0] all_addend[Experts];
  logic signed [SUM_W:0] sum;
  logic [15:0] r, r_early;
  logic [5:0] r_shift, r_shift_early;

  always_comb begin
    for (int i = 0; i < int'(Experts); i++) begin
      all_value[i]  = value[1][i];
      all_keep[i]   = experts_i[i];
      all_addend[i] = {1'b0, all_e[i]};
    end
  end

  peritus_gate_exp #(
    .Lanes(Experts)
  ) u_exp_all (
    .clk_i,
    .rst_ni,
    .valid_i  (select_valid[1]),
    .maximum_i(best_value[0]),
    .logit_i  (all_value),
    .keep_i   (all_keep),
    .valid_o  (all_valid),
    .e_o      (all_e)
  );

  peritus_adder_tree #(
    .Inputs(Experts),
    .InW   (17)
  ) u_sum (
    .clk_i,
    .rst_ni,
    .valid_i(all_valid),
    .value_i(all_addend),
    .valid_o(sum_valid),
    .sum_o  (sum)
  );

  peritus_reciprocal u_reciprocal (
    .clk_i,
    .rst_ni,
    .valid_i(sum_valid),
    .v_i    (24'(unsigned'(sum))),
    .valid_o(r_valid),
    .r_o    (r_early),
    .shift_o(r_shift_early)
  );

  // The branches meet.
  logic meet_valid, score_valid;
  logic signed [16:0] numerator[TopK];
  logic [15:0] multiplier[TopK];
  logic [5:0] shift[TopK];
  logic signed [16:0] score[TopK];

  peritus_delay_line #(
    .Width (16 * TopK),
    .Stages(MEET - CHOSEN)
  ) u_delay_chosen (
    .clk_i,
    .en_i,
    .data_i(e_early),
    .data_o(e)
  );

  peritus_delay_line #(
    .Width (22),
    .Stages(MEET - SUM)
  ) u_delay_sum (
    .clk_i,
    .en_i,
    .data_i({r_early, r_shift_early}),
    .data_o({r, r_shift})
  );

  assign meet_valid = (CHOSEN > SUM) ? chosen_valid : r_valid;

  always_comb begin
    for (int k = 0; k < int'(TopK); k++) begin
      numerator[k]  = {1'b0, e[k]};
      multiplier[k] = r;
      shift[k]      = r_shift - 6'd15;  // 31..39 minus 15: the sum is at least 2^15
    end
  end

  peritus_requantize #(
    .Lanes(TopK),
    .InW  (17),
    .OutW (17)
  ) u_score (
    .clk_i,
    .rst_ni,
    .valid_i     (meet_valid),
    .value_i     (numerator),
    .multiplier_i(multiplier),
    .shift_i     (shift),
    .valid_o     (score_valid),
    .value_o     (score)
  );

  always_ff @(posedge clk_i) begin
    if (score_valid) begin
      for (int k = 0; k < int'(TopK); k++) begin
        score_o[k] <= (unsigned'(score[k]) > ONE) ? 16'(ONE) : score[k][15:0];
      end
    end
  end

  always_ff @(posedge clk_i) begin
    valid_o <= score_valid;
    if (!rst_ni) valid_o <= 1'b0;
  end

endmodule

`default_nettype wire
