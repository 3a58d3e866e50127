// SPDX-License-Identifier: Apache-2.0
// Latencies of the function units in cycles, from input to output: what their users delay side information by.
// Each unit builds its valid pipeline from its own constant, so the two cannot disagree.

package latency_pkg;

  localparam int unsigned ROUND_SHIFT_LATENCY = 3;
  localparam int unsigned REQUANTIZE_LATENCY = 2 + ROUND_SHIFT_LATENCY;
  localparam int unsigned GELU_LATENCY = 4;
  // Probabilities; their sum follows adder_tree_latency(lanes) later.
  localparam int unsigned EXP_LOOKUP_LATENCY = 3;
  localparam int unsigned NORMALIZE_LATENCY = 3;
  localparam int unsigned RECIPROCAL_LATENCY = NORMALIZE_LATENCY + 5;
  localparam int unsigned RSQRT_LATENCY = NORMALIZE_LATENCY + 6;
  localparam int unsigned GATE_EXP_LATENCY = 3;

  // Levels of a balanced tree with `radix` inputs per node.
  function automatic int unsigned tree_levels(int unsigned inputs, int unsigned radix);
    int unsigned levels;
    levels = 0;
    for (int unsigned span = 1; span < inputs; span = span * radix) levels++;
    return levels;
  endfunction

  function automatic int unsigned adder_tree_latency(int unsigned inputs);
    return tree_levels(inputs, 4);
  endfunction

  function automatic int unsigned argmax_latency(int unsigned inputs);
    return tree_levels(inputs, 2);
  endfunction

endpackage
