// SPDX-License-Identifier: Apache-2.0
// Sum and reciprocal standard deviation of each token, from its words in order, one word per cycle.
//
//   S = sum x,   Q = sum x^2,   V = clamp(N Q - S^2 + epsilon, 1, 2^48 - 1)
//   sum_o = S,   (r_o, half_o) = rsqrt(V):   1 / sqrt(V) ~ r_o * 2^-(16 + half_o)
//
// A token's words are those up to and including last_i. width_i = N <= MaxWidth counts the true channels; the
// padding ones are 0. Products wider than a multiplier are split in two halves and added in the next cycle.
//
// Reference: peritus.reference.layernorm. Latency: norm_stats_latency(Lanes) from the last word: square; adder tree;
// accumulate; N Q and S^2 (two cycles); subtract; add epsilon; clamp; rsqrt.

`default_nettype none

module peritus_norm_stats
  import peritus_latency_pkg::*;
  import peritus_pipeline_pkg::*;
#(
  parameter  int unsigned Lanes = 8,
  parameter  int unsigned MaxWidth = 1024,
  localparam int unsigned SumW = 16 + $clog2(MaxWidth),
  localparam int unsigned WidthW = $clog2(MaxWidth + 1)
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic [WidthW-1:0]      width_i,
  input  logic [31:0]            epsilon_i,
  input  logic                   valid_i,
  input  logic                   last_i,
  input  logic signed [15:0]     x_i [Lanes],
  output logic                   valid_o,
  output logic signed [SumW-1:0] sum_o,
  output logic [15:0]            r_o,
  output logic [4:0]             half_o
);

  localparam int unsigned TREE_LATENCY = adder_tree_latency(Lanes);
  localparam int unsigned LANES_W = $clog2(Lanes);
  localparam int unsigned SQUARES_W = 31 + $clog2(MaxWidth);  // Q, unsigned
  localparam int unsigned LOW_W = SQUARES_W / 2;  // split of Q
  localparam int unsigned SPLIT_W = SumW / 2;  // split of S
  localparam int unsigned NQ_W = SQUARES_W + WidthW + 1;  // N Q + epsilon, signed
  localparam int unsigned V_W = (NQ_W > 50) ? NQ_W : 50;
  localparam int CLAMP = 4;  // cycle of the clamp after the sums

  // Word sums
  logic signed [31:0] square_q[Lanes];
  logic square_valid_q, word_valid, square_word_valid;
  logic signed [15+LANES_W:0] word_sum, word_sum_q;
  logic signed [31+LANES_W:0] word_squares;
  logic word_last;

  always_ff @(posedge clk_i) begin
    if (ALWAYS_LOAD || valid_i) begin
      for (int l = 0; l < int'(Lanes); l++) square_q[l] <= 32'(x_i[l]) * 32'(x_i[l]);
    end
    if (word_valid) word_sum_q <= word_sum;
  end

  always_ff @(posedge clk_i) begin
    square_valid_q <= valid_i && rst_ni;
  end

  peritus_adder_tree #(
    .Inputs(Lanes),
    .InW   (16)
  ) u_sum (
    .clk_i,
    .rst_ni,
    .valid_i,
    .value_i(x_i),
    .valid_o(word_valid),
    .sum_o  (word_sum)
  );

  peritus_adder_tree #(
    .Inputs(Lanes),
    .InW   (32)
  ) u_squares (
    .clk_i,
    .rst_ni,
    .valid_i(square_valid_q),
    .value_i(square_q),
    .valid_o(square_word_valid),
    .sum_o  (word_squares)
  );

  peritus_delay_line #(
    .Width (1),
    .Stages(1 + TREE_LATENCY)
  ) u_last (
    .clk_i,
    .en_i  (1'b1),
    .data_i(last_i),
    .data_o(word_last)
  );

  // Token sums
  logic signed [SumW-1:0] sum_q;
  logic [SQUARES_W-1:0] squares_q;
  logic first_q;  // next word begins a token

  always_ff @(posedge clk_i) begin
    if (square_word_valid) begin
      sum_q     <= (first_q ? '0 : sum_q) + SumW'(word_sum_q);
      squares_q <= (first_q ? '0 : squares_q) + SQUARES_W'(unsigned'(word_squares));
    end
  end

  always_ff @(posedge clk_i) begin
    if (square_word_valid) first_q <= word_last;
    if (!rst_ni) first_q <= 1'b1;
  end

  // Variance
  logic [LOW_W+WidthW-1:0] nq_low_q;
  logic [SQUARES_W-LOW_W+WidthW-1:0] nq_high_q;
  logic signed [SumW+SPLIT_W:0] ss_low_q;
  logic signed [2*SumW-SPLIT_W-1:0] ss_high_q;
  logic signed [V_W-1:0] nq_q, ss_q, difference_q, variance_q;
  logic [47:0] clamped_q;
  logic [CLAMP+1:0] valid_q;

  always_ff @(posedge clk_i) begin
    if (valid_q[0]) begin
      nq_low_q  <= (LOW_W + WidthW)'(squares_q[LOW_W-1:0]) * (LOW_W + WidthW)'(width_i);
      nq_high_q <= (SQUARES_W - LOW_W + WidthW)'(squares_q[SQUARES_W-1:LOW_W])
                 * (SQUARES_W - LOW_W + WidthW)'(width_i);
      ss_low_q  <= (SumW + SPLIT_W + 1)'(sum_q)
                 * (SumW + SPLIT_W + 1)'(signed'({1'b0, sum_q[SPLIT_W-1:0]}));
      ss_high_q <= (2 * SumW - SPLIT_W)'(sum_q)
                 * (2 * SumW - SPLIT_W)'(signed'(sum_q[SumW-1:SPLIT_W]));
    end
    if (valid_q[1]) begin
      nq_q <= V_W'(nq_low_q) + {V_W'(nq_high_q) << LOW_W};
      ss_q <= V_W'(ss_low_q) + (V_W'(ss_high_q) <<< SPLIT_W);
    end
    if (valid_q[2]) difference_q <= nq_q - ss_q;
    if (valid_q[3]) variance_q <= difference_q + V_W'(epsilon_i);
    if (valid_q[CLAMP]) begin
      clamped_q <= variance_q[47:0];
      if (variance_q[V_W-1:48] != '0) clamped_q <= '1;
      if (variance_q == '0) clamped_q <= 48'd1;
    end
  end

  always_ff @(posedge clk_i) begin
    valid_q <= {valid_q[CLAMP:0], square_word_valid && word_last};
    if (!rst_ni) valid_q <= '0;
  end

  peritus_rsqrt u_rsqrt (
    .clk_i,
    .rst_ni,
    .valid_i(valid_q[CLAMP+1]),
    .v_i    (clamped_q),
    .valid_o,
    .r_o,
    .half_o
  );

  peritus_delay_line #(
    .Width (SumW),
    .Stages(CLAMP + 1 + RSQRT_LATENCY)
  ) u_sum_delay (
    .clk_i,
    .en_i  (1'b1),
    .data_i(sum_q),
    .data_o(sum_o)
  );

endmodule

`default_nettype wire
