// SPDX-License-Identifier: Apache-2.0
// Turns issued rows into operand vectors: queue lookup, addresses, memory slice, exp lookup.
//
//   source row  = gather ? queue[expert][row].token : row        x = act[src_base + row * src_stride]
//   destination = scatter ? queue[expert][row].token : row       or exp(score slice - row maximum)
//
// Reference: the streaming loop of GEMM in docs/isa.md; peritus.reference.softmax for the lookup.
// Latency: AT_ARRAY cycles from issue_i to x_o and token_o, one vector per cycle.

`default_nettype none

module peritus_operand_fetch
  import peritus_pkg::*;
  import peritus_core_pkg::*;
  import peritus_latency_pkg::*;
#(
  localparam int unsigned SumW = 8 + $clog2(PK)
) (
  input  logic                            clk_i,
  input  logic                            rst_ni,
  input  issue_t                          issue_i,
  // expert queues, data two cycles after the request
  output logic                            queue_re_o,
  output logic [EXPERT_W-1:0]             queue_expert_o,
  output logic [TOKEN_W-1:0]              queue_index_o,
  input  logic [TOKEN_W-1:0]              queue_token_i,
  input  logic [15:0]                     queue_score_i,
  // activation and score slices, data three cycles after the request
  output logic                            act_re_o,
  output logic [ACT_SLICE_AW-1:0]         act_addr_o,
  input  logic [PK-1:0][7:0]              act_slice_i,
  output logic                            score_re_o,
  output logic [SCORE_SLICE_AW-1:0]       score_addr_o,
  input  logic [PK-1:0][15:0]             score_slice_i,
  // row maxima, data two cycles after the request
  output logic                            max_re_o,
  output logic [TOKEN_W-1:0]              max_addr_o,
  input  logic signed [15:0]              max_i,
  // operand vector for the array
  output token_t                          token_o,
  output logic signed [8:0]               x_o [PK],
  // sum of the probabilities in a score slice, adder_tree_latency(PK) after x_o
  output logic [SumW-1:0]                 prob_sum_o
);

  issue_t issue_q[2];  // c1, c2
  assign queue_re_o = issue_i.token.valid && (issue_i.gather || issue_i.scatter);
  assign queue_expert_o = issue_i.expert;
  assign queue_index_o = issue_i.token.row;

  always_ff @(posedge clk_i) begin
    issue_q[0] <= issue_i;
    issue_q[1] <= issue_q[0];
    if (!rst_ni) begin
      issue_q[0].token.valid <= 1'b0;
      issue_q[1].token.valid <= 1'b0;
    end
  end

  // c2: rows are known; products at c3, addresses at c4.
  logic [TOKEN_W-1:0] src_row, dst_row;
  assign src_row = issue_q[1].gather ? queue_token_i : issue_q[1].token.row;
  assign dst_row = issue_q[1].scatter ? queue_token_i : issue_q[1].token.row;

  localparam int unsigned PRODUCT_W = TOKEN_W + 12;
  logic [PRODUCT_W-1:0] src_product_q, dst_product_q;
  issue_t product_q;
  logic [19:0] src_addr_q;
  logic [LANES_W-1:0] keys_q[AT_OPERAND - AT_ADDRESS + 1];
  token_t token_q[AT_ADDRESS:AT_ARRAY];

  always_ff @(posedge clk_i) begin
    if (issue_q[1].token.valid) begin
      src_product_q <= PRODUCT_W'(src_row) * PRODUCT_W'(issue_q[1].src_stride);
      dst_product_q <= PRODUCT_W'(dst_row) * PRODUCT_W'(issue_q[1].dst_stride);
    end
    product_q <= issue_q[1];
    if (issue_q[1].scatter) product_q.token.token <= queue_token_i;
    product_q.token.score <= queue_score_i;

    src_addr_q <= product_q.src_base + 20'(src_product_q);
    keys_q[0] <= product_q.keys;
    token_q[AT_ADDRESS] <= product_q.token;
    token_q[AT_ADDRESS].dst_addr <= product_q.dst_base + 16'(dst_product_q);
    for (int i = 1; i <= int'(AT_OPERAND - AT_ADDRESS); i++) keys_q[i] <= keys_q[i-1];
    for (int i = int'(AT_ADDRESS) + 1; i <= int'(AT_ARRAY); i++) token_q[i] <= token_q[i-1];
    if (!rst_ni) begin
      product_q.token.valid <= 1'b0;
      for (int i = int'(AT_ADDRESS); i <= int'(AT_ARRAY); i++) token_q[i].valid <= 1'b0;
    end
  end

  assign act_re_o = token_q[AT_ADDRESS].valid && !token_q[AT_ADDRESS].from_scores;
  assign score_re_o = token_q[AT_ADDRESS].valid && token_q[AT_ADDRESS].from_scores;
  assign act_addr_o = ACT_SLICE_AW'(src_addr_q);
  assign score_addr_o = SCORE_SLICE_AW'(src_addr_q);
  assign max_re_o = token_q[AT_OPERAND-2].valid && token_q[AT_OPERAND-2].from_scores;
  assign max_addr_o = token_q[AT_OPERAND-2].row;

  // Scores become probabilities while activations wait.
  logic signed [15:0] score[PK];
  logic keep[PK];
  logic [7:0] prob[PK];
  logic [PK-1:0][7:0] act_q[EXP_LOOKUP_LATENCY];
  logic unused_prob_valid, unused_sum_valid;

  always_comb begin
    for (int k = 0; k < int'(PK); k++) begin
      score[k] = signed'(score_slice_i[k]);
      keep[k] = LANES_W'(k) < keys_q[AT_OPERAND-AT_ADDRESS];
    end
  end

  peritus_exp_lookup #(
    .Lanes(PK)
  ) u_exp (
    .clk_i,
    .rst_ni,
    .valid_i    (token_q[AT_OPERAND].valid && token_q[AT_OPERAND].from_scores),
    .score_i    (score),
    .maximum_i  (max_i),
    .keep_i     (keep),
    .valid_o    (unused_prob_valid),
    .p_o        (prob),
    .sum_valid_o(unused_sum_valid),
    .sum_o      (prob_sum_o)
  );

  always_ff @(posedge clk_i) begin
    act_q[0] <= act_slice_i;
    for (int i = 1; i < int'(EXP_LOOKUP_LATENCY); i++) act_q[i] <= act_q[i-1];
  end

  assign token_o = token_q[AT_ARRAY];
  always_comb begin
    for (int k = 0; k < int'(PK); k++) begin
      x_o[k] = token_o.from_scores ? signed'({1'b0, prob[k]}) : 9'(signed'(act_q[EXP_LOOKUP_LATENCY-1][k]));
    end
  end

endmodule

`default_nettype wire
