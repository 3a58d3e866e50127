// SPDX-License-Identifier: Apache-2.0
// Per-row state of the single-pass softmax: running row maxima while scores are written, running row sums while
// probabilities stream, and one reciprocal per row.
//
//   maximum: m[row] = first_n ? max(scores) : max(m[row], max(scores)), over the valid lanes of a score word
//   sum:     s[row] = first_k ? sum(P) : s[row] + sum(P);   at last_k: (mantissa, shift) = reciprocal(s[row])
//
// Reference: peritus.reference.softmax. A row comes again after MIN_PASS cycles at the earliest, longer than either
// read-modify-write. Latency: mantissa_o, shift_o 1 + RECIPROCAL_LATENCY after prob_sum_i; maxima are in place before an
// instruction that waits for its predecessor's last write begins to read them.

`default_nettype none

module peritus_softmax_rows
  import peritus_pkg::*;
  import peritus_core_pkg::*;
  import peritus_pipeline_pkg::*;
#(
  localparam int unsigned SumW = 8 + $clog2(PK),
  localparam int unsigned RowSumW = 24
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  // scores being written
  input  token_t             next_token_i,   // score_token_i, a cycle ahead
  input  logic               score_valid_i,
  input  token_t             score_token_i,
  input  logic signed [15:0] score_i [PN],
  // row maxima for the exp lookup, two cycles after the request
  input  logic               max_re_i,
  input  logic [TOKEN_W-1:0] max_addr_i,
  output logic signed [15:0] max_o,
  // probabilities of one slice: the token two cycles ahead of its sum
  input  token_t             prob_token_i,
  input  logic [SumW-1:0]    prob_sum_i,
  output logic [15:0]        mantissa_o,
  output logic [5:0]         shift_o
);

  // --- row maximum: a binary tree, one register per level, then read-modify-write ---
  localparam int unsigned LEVELS = $clog2(PN);
  typedef struct packed {
    logic               valid;
    logic               first_n;
    logic [TOKEN_W-1:0] row;
  } max_row_t;
  max_row_t max_row_q[LEVELS+1];
  logic [PN-1:0] used_q;  // lanes of the score word that are keys
  logic signed [15:0] node_q[LEVELS+1][PN];
  logic [15:0] previous_max;
  logic signed [15:0] new_max_q;
  max_row_t new_row_q;

  function automatic logic signed [15:0] larger(logic signed [15:0] a, logic signed [15:0] b);
    return (a > b) ? a : b;
  endfunction

  always_ff @(posedge clk_i) begin
    max_row_q[0] <= '{valid: score_valid_i, first_n: score_token_i.first_n, row: score_token_i.row};
    for (int i = 1; i <= int'(LEVELS); i++) max_row_q[i] <= max_row_q[i-1];
    for (int n = 0; n < int'(PN); n++) used_q[n] <= LANES_W'(n) < next_token_i.lanes;
    if (ALWAYS_LOAD || score_valid_i) begin
      for (int n = 0; n < int'(PN); n++) node_q[0][n] <= used_q[n] ? score_i[n] : 16'sh8000;
    end
    for (int level = 1; level <= int'(LEVELS); level++) begin
      if (ALWAYS_LOAD || max_row_q[level-1].valid) begin
        for (int n = 0; n < int'(PN) >> level; n++) begin
          node_q[level][n] <= (node_q[level-1][2*n] > node_q[level-1][2*n+1]) ? node_q[level-1][2*n]
                                                                              : node_q[level-1][2*n+1];
        end
      end
    end
    new_row_q <= max_row_q[LEVELS];
    if (max_row_q[LEVELS].valid) begin
      new_max_q <= max_row_q[LEVELS].first_n ? node_q[LEVELS][0] :
          larger(node_q[LEVELS][0], signed'(previous_max));
    end
    if (!rst_ni) begin
      for (int i = 0; i <= int'(LEVELS); i++) max_row_q[i].valid <= 1'b0;
      new_row_q.valid <= 1'b0;
    end
  end

  // Two copies: one read port updates, one serves the exp lookup.
  peritus_ram_1r1w #(
    .Width(16),
    .Depth(ACC_DEPTH)
  ) u_max_update (
    .clk_i,
    .we_i   (new_row_q.valid),
    .waddr_i(new_row_q.row),
    .wdata_i(new_max_q),
    .re_i   (max_row_q[LEVELS-2].valid),
    .raddr_i(max_row_q[LEVELS-2].row),
    .rdata_o(previous_max)
  );
  peritus_ram_1r1w #(
    .Width(16),
    .Depth(ACC_DEPTH)
  ) u_max_lookup (
    .clk_i,
    .we_i   (new_row_q.valid),
    .waddr_i(new_row_q.row),
    .wdata_i(new_max_q),
    .re_i   (max_re_i),
    .raddr_i(max_addr_i),
    .rdata_o(max_o)
  );

  // --- row sum and its reciprocal ---
  token_t sum_token_q[3];
  logic [RowSumW-1:0] previous_sum, new_sum_q;

  always_ff @(posedge clk_i) begin
    sum_token_q[0] <= prob_token_i;
    sum_token_q[1] <= sum_token_q[0];
    sum_token_q[2] <= sum_token_q[1];
    if (sum_token_q[1].valid && sum_token_q[1].from_scores) begin
      new_sum_q <= (sum_token_q[1].first_k ? '0 : previous_sum) + RowSumW'(prob_sum_i);
    end
    if (!rst_ni) begin
      for (int i = 0; i < 3; i++) sum_token_q[i].valid <= 1'b0;
    end
  end

  peritus_ram_1r1w #(
    .Width(RowSumW),
    .Depth(ACC_DEPTH)
  ) u_sum (
    .clk_i,
    .we_i   (sum_token_q[2].valid && sum_token_q[2].from_scores),
    .waddr_i(sum_token_q[2].row),
    .wdata_i(new_sum_q),
    .re_i   (prob_token_i.valid && prob_token_i.from_scores),
    .raddr_i(prob_token_i.row),
    .rdata_o(previous_sum)
  );

  logic unused_valid;
  peritus_reciprocal u_reciprocal (
    .clk_i,
    .rst_ni,
    .valid_i(sum_token_q[2].valid && sum_token_q[2].from_scores && sum_token_q[2].last_k),
    .v_i    (new_sum_q),
    .valid_o(unused_valid),
    .r_o    (mantissa_o),
    .shift_o(shift_o)
  );

  // From the retirement of the last score to the first lookup: retire, accept, issue (3), then AT_OPERAND - 2.
  if (LEVELS < 2 || LEVELS + 2 > 3 + AT_OPERAND - 2) begin : gen_check
    $error("softmax_rows: PN = %0d, the row maximum must be written before it is looked up", PN);
  end

endmodule

`default_nettype wire
