// SPDX-License-Identifier: Apache-2.0
// Top-k router: from the gate's logits of each token to the token queues of the experts.
//
// The top_k best experts of a token get {token, score} appended to their queues (gate_score says how they score).
//
// start_i starts a gate of tokens_i tokens: it latches experts_i and top_k_i, and empties all queues unless append_i says
// that its tokens come behind those of the gate before. Tokens follow, from the next cycle on, at most one per cycle, in
// any rhythm. busy_o falls when the last one is in its queues: only then are counts complete. A queue entry is read by
// position; it appears two cycles after q_re_i and is held.
//
// Reference: peritus.reference.router.route; a queue is Routing.queue(expert).

`default_nettype none

module peritus_router
  import peritus_pkg::*;
  import peritus_latency_pkg::*;
(
  input  logic                clk_i,
  input  logic                rst_ni,
  // gate instruction
  input  logic                start_i,
  input  logic                append_i,
  input  logic [EXPERT_W:0]   experts_i,  // 1..MAX_EXPERTS
  input  logic [2:0]          top_k_i,    // 1..min(MAX_TOP_K, experts)
  input  logic [COUNT_W-1:0]  tokens_i,
  output logic                busy_o,
  // logits, int16 in 1/256 octaves; those of experts from experts_i on are ignored
  input  logic                valid_i,
  input  logic [TOKEN_W-1:0]  token_i,
  input  logic signed [15:0]  logits_i [MAX_EXPERTS],
  // queues
  output logic [COUNT_W-1:0]  count_o [MAX_EXPERTS],
  input  logic                q_re_i,
  input  logic [EXPERT_W-1:0] q_expert_i,
  input  logic [TOKEN_W-1:0]  q_index_i,
  output logic [TOKEN_W-1:0]  q_token_o,
  output logic [15:0]         q_score_o
);

  localparam int unsigned ENTRY_W = TOKEN_W + 16;

  // Gate instruction
  logic [MAX_EXPERTS-1:0] experts_q;
  logic [2:0] top_k_q;
  logic [COUNT_W-1:0] left_q;  // tokens not yet in their queues
  logic push_valid_q;

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      for (int e = 0; e < int'(MAX_EXPERTS); e++) experts_q[e] <= (EXPERT_W + 1)'(e) < experts_i;
      top_k_q <= top_k_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      left_q <= tokens_i;
      busy_o <= tokens_i != '0;
    end else if (push_valid_q) begin
      left_q <= left_q - COUNT_W'(1);
      busy_o <= left_q != COUNT_W'(1);
    end
    if (!rst_ni) begin
      left_q <= '0;
      busy_o <= 1'b0;
    end
  end

  // Scores
  logic [MAX_EXPERTS-1:0][15:0] logits;
  logic score_valid;
  logic [EXPERT_W-1:0] expert[MAX_TOP_K];
  logic [15:0] score[MAX_TOP_K];
  logic [TOKEN_W-1:0] token;

  always_comb begin
    for (int e = 0; e < int'(MAX_EXPERTS); e++) logits[e] = logits_i[e];
  end

  peritus_gate_score #(
    .Experts(MAX_EXPERTS),
    .TopK   (MAX_TOP_K)
  ) u_score (
    .clk_i,
    .rst_ni,
    .en_i     (busy_o),
    .experts_i(experts_q),
    .valid_i,
    .logits_i (logits),
    .valid_o  (score_valid),
    .expert_o (expert),
    .score_o  (score)
  );

  peritus_delay_line #(
    .Width (TOKEN_W),
    .Stages(gate_score_latency(MAX_EXPERTS, MAX_TOP_K))
  ) u_token (
    .clk_i,
    .en_i  (busy_o),
    .data_i(token_i),
    .data_o(token)
  );

  // One expert is chosen at most once per token, so every queue takes at most one entry per cycle.
  logic push_q[MAX_EXPERTS];
  logic [15:0] push_score_q[MAX_EXPERTS];
  logic [TOKEN_W-1:0] push_token_q;
  logic [MAX_EXPERTS-1:0] push_d;
  logic [15:0] push_score_d[MAX_EXPERTS];

  always_comb begin
    for (int e = 0; e < int'(MAX_EXPERTS); e++) begin
      push_d[e] = 1'b0;
      push_score_d[e] = score[0];
      for (int k = 0; k < int'(MAX_TOP_K); k++) begin
        if (3'(k) < top_k_q && expert[k] == EXPERT_W'(e)) begin
          push_d[e] = score_valid;
          push_score_d[e] = score[k];
        end
      end
    end
  end

  always_ff @(posedge clk_i) begin
    push_valid_q <= score_valid && rst_ni;
    for (int e = 0; e < int'(MAX_EXPERTS); e++) push_q[e] <= push_d[e] && rst_ni;
    if (score_valid) begin
      push_token_q <= token;
      push_score_q <= push_score_d;
    end
  end

  logic [ENTRY_W-1:0] entry[MAX_EXPERTS];
  logic read_q;
  logic [EXPERT_W-1:0] read_expert_q;

  for (genvar e = 0; e < int'(MAX_EXPERTS); e++) begin : gen_queue
    peritus_expert_queue #(
      .Width(ENTRY_W),
      .Depth(ACC_DEPTH)
    ) u_queue (
      .clk_i,
      .rst_ni,
      .clear_i(start_i && !append_i),
      .push_i (push_q[e]),
      .data_i ({push_token_q, push_score_q[e]}),
      .count_o(count_o[e]),
      .re_i   (q_re_i && q_expert_i == EXPERT_W'(e)),
      .index_i(q_index_i),
      .data_o (entry[e])
    );
  end

  always_ff @(posedge clk_i) begin
    read_q        <= q_re_i;
    read_expert_q <= q_expert_i;
    if (read_q) {q_token_o, q_score_o} <= entry[read_expert_q];
  end

`ifndef SYNTHESIS
  assert property (@(posedge clk_i) disable iff (!rst_ni) start_i |-> !busy_o && !valid_i)
  else $error("router: start_i while tokens are on their way");
  assert property (@(posedge clk_i) disable iff (!rst_ni) valid_i |-> busy_o)
  else $error("router: more tokens than announced");
  assert property (@(posedge clk_i) disable iff (!rst_ni)
                   start_i |-> top_k_i inside {[1:MAX_TOP_K]} && experts_i inside {[1:MAX_EXPERTS]}
                               && (EXPERT_W+1)'(top_k_i) <= experts_i)
  else $error("router: top_k_i = %0d of experts_i = %0d, or more than the router has", top_k_i, experts_i);
`endif

endmodule

`default_nettype wire
