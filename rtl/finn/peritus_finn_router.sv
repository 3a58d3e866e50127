// SPDX-License-Identifier: Apache-2.0
// The top-k router as a stream: the logits of a token in one beat, its TopK experts and their scores in one beat out.
//
// Of each chosen expert, best first: {score uint16 Q1.15, expert uint16}. Reference: peritus.reference.router.
// Latency: gate_score_latency(Experts, TopK) and one cycle of the FIFO; one token per cycle.

`default_nettype none

module peritus_finn_router
  import peritus_latency_pkg::*;
#(
  parameter int unsigned Experts = 4,
  parameter int unsigned TopK = 2
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,
  input  logic                       valid_i,
  output logic                       ready_o,
  input  logic [Experts-1:0][  15:0] data_i,  // logits, int16 in 1/256 octaves
  output logic                       valid_o,
  input  logic                       ready_i,
  output logic [ TopK-1:0][1:0][15:0] data_o
);

  localparam int unsigned EXPERT_W = $clog2(Experts);

  logic take, result_valid;
  logic [EXPERT_W-1:0] expert[TopK];
  logic [15:0] score[TopK];
  logic [TopK-1:0][1:0][15:0] result;

  peritus_gate_score #(
    .Experts(Experts),
    .TopK   (TopK)
  ) u_score (
    .clk_i,
    .rst_ni,
    .en_i     (1'b1),
    .experts_i('1),
    .valid_i  (take),
    .logits_i (data_i),
    .valid_o  (result_valid),
    .expert_o (expert),
    .score_o  (score)
  );

  always_comb begin
    for (int k = 0; k < int'(TopK); k++) result[k] = {score[k], 16'(expert[k])};
  end

  peritus_finn_flow #(
    .Width(32 * TopK),
    .Depth(gate_score_latency(Experts, TopK) + 2)
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

  if (Experts < 2 || TopK < 1 || TopK > Experts) begin : gen_check
    $error("finn_router: TopK = %0d of Experts = %0d, at least 1 of 2", TopK, Experts);
  end

endmodule

`default_nettype wire
