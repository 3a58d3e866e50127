// SPDX-License-Identifier: Apache-2.0
// Tokens sorted by expert: rows and their routing in, once all tokens are here the rows of expert 0, of expert 1, ... out.
//
// Each expert takes its tokens in order, so Tokens * TopK rows leave. Of each leaves, beside the row, the expert that it is
// for and {score, token} for who puts the results together. Reference: peritus.reference.router.Routing.queue.
// Cycles: Tokens * FOLDS to fill, Tokens * TopK * FOLDS to empty, one for each expert; then the next frame may enter.

`default_nettype none

module peritus_finn_dispatch #(
  parameter  int unsigned Lanes = 4,
  parameter  int unsigned Bits = 8,
  parameter  int unsigned Channels = 16,
  parameter  int unsigned Tokens = 16,
  parameter  int unsigned Experts = 4,
  parameter  int unsigned TopK = 2
) (
  input  logic                        clk_i,
  input  logic                        rst_ni,
  // rows
  input  logic                        valid_i,
  output logic                        ready_o,
  input  logic [Lanes-1:0][Bits-1:0]  data_i,
  // routing: of each token TopK times {score, expert}
  input  logic                        route_valid_i,
  output logic                        route_ready_o,
  input  logic [TopK-1:0][1:0][15:0]  route_i,
  // rows by expert
  output logic                        valid_o,
  input  logic                        ready_i,
  output logic [Lanes-1:0][Bits-1:0]  data_o,
  // the expert of each row
  output logic                        expert_valid_o,
  input  logic                        expert_ready_i,
  output logic [15:0]                 expert_o,
  // {score, token} of each row
  output logic                        source_valid_o,
  input  logic                        source_ready_i,
  output logic [1:0][15:0]            source_o
);

  localparam int unsigned FOLDS = Channels / Lanes;
  localparam int unsigned WORDS = Tokens * FOLDS;
  localparam int unsigned ADDR_W = (WORDS > 1) ? $clog2(WORDS) : 1;
  localparam int unsigned COUNT_W = $clog2(WORDS + 1);
  localparam int unsigned TOKEN_W = (Tokens > 1) ? $clog2(Tokens) : 1;
  localparam int unsigned EXPERT_W = $clog2(Experts);

  // Fill
  logic emptying_q, emptied;
  logic [COUNT_W-1:0] words_q, routed_q;
  logic push, route;

  assign ready_o = !emptying_q && 32'(words_q) != WORDS;
  assign route_ready_o = !emptying_q && 32'(routed_q) != Tokens;
  assign push = valid_i && ready_o;
  assign route = route_valid_i && route_ready_o;

  always_ff @(posedge clk_i) begin
    if (push) words_q <= words_q + COUNT_W'(1);
    if (route) routed_q <= routed_q + COUNT_W'(1);
    if (32'(words_q) == WORDS && 32'(routed_q) == Tokens) emptying_q <= 1'b1;
    if (!rst_ni || emptied) begin
      words_q <= '0;
      routed_q <= '0;
      emptying_q <= 1'b0;
    end
  end

  // Queues: an expert takes a token at most once, so at most one entry per cycle.
  logic [TOKEN_W-1:0] count_q[Experts];  // entries, less one: only asked where there is one
  logic [Experts-1:0] some_q;
  logic [TOKEN_W+15:0] entry[Experts];
  logic [TOKEN_W-1:0] position_q;

  for (genvar e = 0; e < int'(Experts); e++) begin : gen_queue
    logic [TOKEN_W+15:0] queue[Tokens];
    logic chosen;
    logic [15:0] score;
    logic [TOKEN_W-1:0] slot;

    always_comb begin
      chosen = 1'b0;
      score = '0;
      for (int k = 0; k < int'(TopK); k++) begin
        if (route_i[k][0] == 16'(e)) begin
          chosen = 1'b1;
          score = route_i[k][1];
        end
      end
    end

    assign slot = some_q[e] ? count_q[e] + TOKEN_W'(1) : '0;

    always_ff @(posedge clk_i) begin
      if (route && chosen) begin
        queue[slot] <= {score, routed_q[TOKEN_W-1:0]};
        count_q[e] <= slot;
        some_q[e] <= 1'b1;
      end
      if (!rst_ni || emptied) some_q[e] <= 1'b0;
    end

    assign entry[e] = queue[position_q];
  end

  // Empty
  logic [EXPERT_W-1:0] expert_q;
  logic [COUNT_W-1:0] fold_q;
  logic offer, take, last_fold, last_entry, next_expert, beside_ready, unused_ready;
  logic [TOKEN_W-1:0] token;
  logic [15:0] token_score;
  logic [ADDR_W-1:0] address;

  assign {token_score, token} = entry[expert_q];
  assign last_fold = 32'(fold_q) == FOLDS - 1;
  assign last_entry = position_q == count_q[expert_q];
  assign next_expert = emptying_q && (!some_q[expert_q] || (take && last_fold && last_entry));
  assign emptied = next_expert && 32'(expert_q) == Experts - 1;
  assign offer = emptying_q && some_q[expert_q] && (fold_q != '0 || beside_ready);
  assign address = ADDR_W'(32'(token) * FOLDS + 32'(fold_q));

  always_ff @(posedge clk_i) begin
    if (take) begin
      fold_q <= last_fold ? '0 : fold_q + COUNT_W'(1);
      if (last_fold) position_q <= position_q + TOKEN_W'(1);
    end
    if (next_expert) begin
      expert_q <= expert_q + EXPERT_W'(1);
      position_q <= '0;
    end
    if (!rst_ni || emptied) begin
      expert_q <= '0;
      position_q <= '0;
      fold_q <= '0;
    end
  end

  logic [Lanes-1:0][Bits-1:0] row[WORDS];
  logic [Lanes-1:0][Bits-1:0] read_q;
  logic read_valid_q;

  always_ff @(posedge clk_i) begin
    if (push) row[ADDR_W'(words_q)] <= data_i;
    if (take) read_q <= row[address];
    read_valid_q <= take && rst_ni;
  end

  peritus_finn_flow #(
    .Width(Bits * Lanes),
    .Depth(4)
  ) u_flow (
    .clk_i,
    .rst_ni,
    .valid_i       (offer),
    .ready_o       (unused_ready),
    .take_o        (take),
    .result_valid_i(read_valid_q),
    .result_i      (read_q),
    .valid_o,
    .ready_i,
    .data_o
  );

  // Beside the first beat of a row
  logic expert_ready, source_ready;
  assign beside_ready = expert_ready && source_ready;

  peritus_fifo #(
    .Width(16),
    .Depth(2)
  ) u_expert (
    .clk_i,
    .rst_ni,
    .clear_i(1'b0),
    .valid_i(take && fold_q == '0),
    .ready_o(expert_ready),
    .data_i (16'(expert_q)),
    .valid_o(expert_valid_o),
    .ready_i(expert_ready_i),
    .data_o (expert_o)
  );

  peritus_fifo #(
    .Width(32),
    .Depth(2)
  ) u_source (
    .clk_i,
    .rst_ni,
    .clear_i(1'b0),
    .valid_i(take && fold_q == '0),
    .ready_o(source_ready),
    .data_i ({token_score, 16'(token)}),
    .valid_o(source_valid_o),
    .ready_i(source_ready_i),
    .data_o (source_o)
  );

  if (Channels % Lanes != 0 || Experts < 2) begin : gen_check
    $error("finn_dispatch: Lanes = %0d must divide Channels = %0d, Experts = %0d", Lanes, Channels, Experts);
  end

endmodule

`default_nettype wire
