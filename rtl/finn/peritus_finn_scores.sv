// SPDX-License-Identifier: Apache-2.0
// Attention scores as a stream: q . k of every head, requantized to 1/16 octaves; a product of two activations.
//
//   s[query][head][key] = sat16(rhu(q[query][head] . k[key][head] multiplier[head], shift[head]))
//
// A beat of q or k is one head of one token. The keys of all tokens are stored first; then each head of each query meets
// its keys, one per cycle. Keys count within +-127, as in the accelerator. File: one word {shift uint8, multiplier uint16}
// per head. Reference: peritus.reference.attention_scores, stationary.
// Cycles: Tokens * Heads to store the keys, Tokens * Heads * Tokens for the scores.

`default_nettype none

module peritus_finn_scores
  import peritus_latency_pkg::*;
#(
  parameter int unsigned HeadDim = 8,
  parameter int unsigned Heads = 2,
  parameter int unsigned Tokens = 16,
  parameter string       File = ""
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic                    q_valid_i,
  output logic                    q_ready_o,
  input  logic [HeadDim-1:0][7:0] q_i,
  input  logic                    k_valid_i,
  output logic                    k_ready_o,
  input  logic [HeadDim-1:0][7:0] k_i,
  output logic                    valid_o,
  input  logic                    ready_i,
  output logic [15:0]             data_o
);

  localparam int unsigned BEATS = Tokens * Heads;
  localparam int unsigned ADDR_W = (BEATS > 1) ? $clog2(BEATS) : 1;
  localparam int unsigned HEAD_W = (Heads > 1) ? $clog2(Heads) : 1;
  localparam int unsigned KEY_W = (Tokens > 1) ? $clog2(Tokens) : 1;
  localparam int unsigned DOT_W = 16 + $clog2(HeadDim);

  logic scoring_q, store, take, last_key, last_head, last_query, unused_ready;
  logic [ADDR_W-1:0] stored_q, queried_q;
  logic [HEAD_W-1:0] head_q;
  logic [KEY_W-1:0] key_q;

  assign k_ready_o = !scoring_q;
  assign store = k_valid_i && k_ready_o;
  assign last_key = 32'(key_q) == Tokens - 1;
  assign last_head = 32'(head_q) == Heads - 1;
  assign last_query = 32'(queried_q) == BEATS - 1;
  assign q_ready_o = take && last_key;

  always_ff @(posedge clk_i) begin
    if (store) begin
      stored_q <= (32'(stored_q) == BEATS - 1) ? '0 : stored_q + ADDR_W'(1);
      if (32'(stored_q) == BEATS - 1) scoring_q <= 1'b1;
    end
    if (take) begin
      key_q <= last_key ? '0 : key_q + KEY_W'(1);
      if (last_key) begin
        head_q <= last_head ? '0 : head_q + HEAD_W'(1);
        queried_q <= last_query ? '0 : queried_q + ADDR_W'(1);
        if (last_query) scoring_q <= 1'b0;
      end
    end
    if (!rst_ni) begin
      scoring_q <= 1'b0;
      stored_q <= '0;
      queried_q <= '0;
      head_q <= '0;
      key_q <= '0;
    end
  end

  // Keys, and their products with the query
  logic [HeadDim-1:0][7:0] key_memory[BEATS];
  logic [HeadDim-1:0][7:0] k_clamped, k_q, q_q;
  logic signed [15:0] product_q[HeadDim];
  logic [1:0] valid_q;
  logic dot_valid;
  logic signed [DOT_W-1:0] dot;

  always_comb begin
    for (int c = 0; c < int'(HeadDim); c++) k_clamped[c] = (k_i[c] == 8'h80) ? 8'h81 : k_i[c];
  end

  always_ff @(posedge clk_i) begin
    if (store) key_memory[stored_q] <= k_clamped;
    if (take) begin
      k_q <= key_memory[ADDR_W'(32'(key_q) * Heads + 32'(head_q))];
      q_q <= q_i;
    end
    for (int c = 0; c < int'(HeadDim); c++) product_q[c] <= 16'(signed'(q_q[c])) * 16'(signed'(k_q[c]));
  end

  always_ff @(posedge clk_i) begin
    valid_q <= {valid_q[0], take};
    if (!rst_ni) valid_q <= '0;
  end

  peritus_adder_tree #(
    .Inputs(HeadDim),
    .InW   (16)
  ) u_dot (
    .clk_i,
    .rst_ni,
    .valid_i(valid_q[1]),
    .value_i(product_q),
    .valid_o(dot_valid),
    .sum_o  (dot)
  );

  // Scale by head
  localparam int unsigned HEAD_DELAY = 2 + adder_tree_latency(HeadDim);
  logic [HEAD_W-1:0] dot_head;
  logic [23:0] scale;
  logic signed [26:0] value_q[1];
  logic [15:0] multiplier[1];
  logic [5:0] shift[1];
  logic value_valid_q, result_valid;
  logic signed [15:0] result[1];

  peritus_delay_line #(
    .Width (HEAD_W),
    .Stages(HEAD_DELAY)
  ) u_head (
    .clk_i,
    .en_i  (1'b1),
    .data_i(head_q),
    .data_o(dot_head)
  );

  peritus_finn_rom #(
    .Width(24),
    .Depth(Heads),
    .File (File)
  ) u_rom (
    .clk_i,
    .re_i  (1'b1),
    .addr_i(dot_head),
    .data_o(scale)
  );

  always_ff @(posedge clk_i) begin
    value_q[0] <= 27'(dot);
    value_valid_q <= dot_valid && rst_ni;
  end

  assign multiplier[0] = scale[15:0];
  assign shift[0] = scale[21:16];
  logic unused_shift;
  assign unused_shift = ^scale[23:22];

  peritus_requantize #(
    .Lanes(1),
    .InW  (27),
    .OutW (16)
  ) u_requantize (
    .clk_i,
    .rst_ni,
    .valid_i     (value_valid_q),
    .value_i     (value_q),
    .multiplier_i(multiplier),
    .shift_i     (shift),
    .valid_o     (result_valid),
    .value_o     (result)
  );

  peritus_finn_flow #(
    .Width(16),
    .Depth(HEAD_DELAY + 1 + REQUANTIZE_LATENCY + 2)
  ) u_flow (
    .clk_i,
    .rst_ni,
    .valid_i       (scoring_q && q_valid_i),
    .ready_o       (unused_ready),
    .take_o        (take),
    .result_valid_i(result_valid),
    .result_i      (result[0]),
    .valid_o,
    .ready_i,
    .data_o
  );

  if (HeadDim < 2) begin : gen_check
    $error("finn_scores: HeadDim = %0d must be at least 2", HeadDim);
  end

endmodule

`default_nettype wire
