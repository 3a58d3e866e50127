// SPDX-License-Identifier: Apache-2.0
// Pipelines of the function units.
//
// Latencies in cycles, from input to output: what their users delay side information by. Each unit builds its valid
// pipeline from its own constant, so the two cannot disagree.
//
// ALWAYS_LOAD: what stands behind a valid bit is read only when that is set, so the registers of whole words need no
// enable. In hardware such an enable is a net to every bit of every lane, the largest there are, so there they always
// load. A simulator saves the work; -DALWAYS_LOAD simulates what is synthesized.

package peritus_pipeline_pkg;

`ifdef SYNTHESIS
  localparam bit ALWAYS_LOAD = 1'b1;
`elsif ALWAYS_LOAD
  localparam bit ALWAYS_LOAD = 1'b1;
`else
  localparam bit ALWAYS_LOAD = 1'b0;
`endif

  localparam int unsigned ROUND_SHIFT_LATENCY = 3;
  localparam int unsigned REQUANTIZE_LATENCY = 2 + ROUND_SHIFT_LATENCY;
  localparam int unsigned GELU_LATENCY = 4;
  // Probabilities; their sum follows adder_tree_latency(lanes) later.
  localparam int unsigned EXP_LOOKUP_LATENCY = 3;
  localparam int unsigned NORMALIZE_LATENCY = 3;
  localparam int unsigned RECIPROCAL_LATENCY = NORMALIZE_LATENCY + 5;
  localparam int unsigned RSQRT_LATENCY = NORMALIZE_LATENCY + 6;
  localparam int unsigned GATE_EXP_LATENCY = 3;

  // Statistics to the first word that leaves norm_replay, its memory's two cycles included.
  localparam int unsigned REPLAY_LATENCY = 3;
  // LayerNorm lanes: N r and S r, operand, product, - S r, round, then (when gamma, beta and shift are due) gamma,
  // beta, round.
  localparam int unsigned NORM_AFFINE_LATENCY = 4 + ROUND_SHIFT_LATENCY;
  localparam int unsigned NORM_LANES_LATENCY = NORM_AFFINE_LATENCY + 2 + ROUND_SHIFT_LATENCY;

  function automatic int unsigned adder_tree_latency(int unsigned inputs);
    return $clog2(inputs);
  endfunction

  function automatic int unsigned argmax_latency(int unsigned inputs);
    return $clog2(inputs);
  endfunction

  function automatic int unsigned topk_stage_latency(int unsigned inputs);
    return argmax_latency(inputs) + 1;
  endfunction

  // LayerNorm statistics, from the last word of a token: square, sum, accumulate, variance, root.
  function automatic int unsigned norm_stats_latency(int unsigned lanes);
    return 1 + adder_tree_latency(lanes) + 1 + 5 + RSQRT_LATENCY;
  endfunction

  // The numerators of the chosen experts meet the reciprocal of the sum over all experts.
  function automatic int unsigned gate_chosen_latency(int unsigned experts, int unsigned top_k);
    return top_k * topk_stage_latency(experts) + GATE_EXP_LATENCY;
  endfunction

  function automatic int unsigned gate_sum_latency(int unsigned experts);
    return topk_stage_latency(experts) + GATE_EXP_LATENCY + adder_tree_latency(experts)
         + RECIPROCAL_LATENCY;
  endfunction

  function automatic int unsigned gate_score_latency(int unsigned experts, int unsigned top_k);
    int unsigned chosen, sum;
    chosen = gate_chosen_latency(experts, top_k);
    sum = gate_sum_latency(experts);
    return ((chosen > sum) ? chosen : sum) + REQUANTIZE_LATENCY + 1;
  endfunction

endpackage
