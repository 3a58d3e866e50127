// SPDX-License-Identifier: Apache-2.0
// The experts' results back into the residual stream: scatter, weigh, add; one saturation at the end.
//
//   total[t] = residual[t];   total[t] += sat16(rhu(y score, ScoreShift)) for every row y of token t;   out = sat16(total)
//
// Rows come in any order, each with {score, token}. Reference: peritus.reference.rescale, residual_accumulate.
// Cycles: Tokens * FOLDS to load, Rows * FOLDS to add, Tokens * FOLDS to empty.

`default_nettype none

module peritus_finn_combine
  import peritus_latency_pkg::*;
#(
  parameter int unsigned Lanes = 4,
  parameter int unsigned Channels = 16,
  parameter int unsigned Tokens = 16,
  parameter int unsigned Rows = 32,
  parameter int unsigned ScoreShift = 15
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  // rows of the experts, signed 24 bits
  input  logic                   valid_i,
  output logic                   ready_o,
  input  logic [Lanes-1:0][23:0] data_i,
  // {score, token} of each row
  input  logic                   source_valid_i,
  output logic                   source_ready_o,
  input  logic [1:0][15:0]       source_i,
  // residual stream before the layer
  input  logic                   residual_valid_i,
  output logic                   residual_ready_o,
  input  logic [Lanes-1:0][15:0] residual_i,
  // and behind it
  output logic                   valid_o,
  input  logic                   ready_i,
  output logic [Lanes-1:0][15:0] data_o
);

  localparam int unsigned FOLDS = Channels / Lanes;
  localparam int unsigned WORDS = Tokens * FOLDS;
  localparam int unsigned BEATS = Rows * FOLDS;
  localparam int unsigned ADDR_W = (WORDS > 1) ? $clog2(WORDS) : 1;
  localparam int unsigned COUNT_W = $clog2(((BEATS > WORDS) ? BEATS : WORDS) + 1);
  localparam int unsigned FOLD_W = (FOLDS > 1) ? $clog2(FOLDS) : 1;
  localparam int unsigned TOTAL_W = 20;  // a 16-bit value and at most 15 more

  typedef enum logic [1:0] {
    LOAD,
    ADD,
    SETTLE,
    EMPTY
  } state_e;

  state_e state_q;
  logic [COUNT_W-1:0] beat_q;
  logic [FOLD_W-1:0] fold_q;
  logic step, last_beat, last_fold, added_valid;
  logic [REQUANTIZE_LATENCY-1:0] flying_q;

  assign residual_ready_o = state_q == LOAD;
  assign ready_o = state_q == ADD && source_valid_i;
  assign last_beat = step && 32'(beat_q) == ((state_q == ADD) ? BEATS : WORDS) - 1;
  assign last_fold = 32'(fold_q) == FOLDS - 1;
  assign source_ready_o = state_q == ADD && valid_i && last_fold;
  assign valid_o = state_q == EMPTY;

  always_comb begin
    unique case (state_q)
      LOAD:    step = residual_valid_i;
      ADD:     step = valid_i && source_valid_i;
      EMPTY:   step = ready_i;
      default: step = 1'b0;
    endcase
  end

  always_ff @(posedge clk_i) begin
    flying_q <= {flying_q[REQUANTIZE_LATENCY-2:0], state_q == ADD && step};
    if (step) begin
      beat_q <= last_beat ? '0 : beat_q + COUNT_W'(1);
      fold_q <= last_fold ? '0 : fold_q + FOLD_W'(1);
    end
    unique case (state_q)
      LOAD: if (last_beat) state_q <= ADD;
      ADD: if (last_beat) state_q <= SETTLE;
      SETTLE: if (flying_q == '0) state_q <= EMPTY;
      default: if (last_beat) state_q <= LOAD;
    endcase
    if (!rst_ni) begin
      state_q <= LOAD;
      beat_q <= '0;
      fold_q <= '0;
      flying_q <= '0;
    end
  end

  // Weigh
  logic signed [23:0] y[Lanes];
  logic [15:0] score[Lanes];
  logic [5:0] shift[Lanes];
  logic signed [15:0] z[Lanes];
  logic [ADDR_W-1:0] address, added_address;

  always_comb begin
    for (int l = 0; l < int'(Lanes); l++) begin
      y[l] = signed'(data_i[l]);
      score[l] = source_i[1];
      shift[l] = 6'(ScoreShift);
    end
  end

  peritus_requantize #(
    .Lanes(Lanes),
    .InW  (24),
    .OutW (16)
  ) u_weigh (
    .clk_i,
    .rst_ni,
    .valid_i     (state_q == ADD && step),
    .value_i     (y),
    .multiplier_i(score),
    .shift_i     (shift),
    .valid_o     (added_valid),
    .value_o     (z)
  );

  assign address = ADDR_W'(32'(source_i[0]) * FOLDS + 32'(fold_q));

  peritus_delay_line #(
    .Width (ADDR_W),
    .Stages(REQUANTIZE_LATENCY)
  ) u_address (
    .clk_i,
    .en_i  (1'b1),
    .data_i(address),
    .data_o(added_address)
  );

  // Add
  logic [Lanes-1:0][TOTAL_W-1:0] total[WORDS];
  logic [Lanes-1:0][TOTAL_W-1:0] present, next;
  logic [ADDR_W-1:0] where;

  assign where = added_valid ? added_address : ADDR_W'(beat_q);
  assign present = total[where];

  always_comb begin
    for (int l = 0; l < int'(Lanes); l++) begin
      next[l] = added_valid ? present[l] + TOTAL_W'(z[l]) : TOTAL_W'(signed'(residual_i[l]));
      data_o[l] = (present[l][TOTAL_W-1:15] == {(TOTAL_W - 15) {present[l][TOTAL_W-1]}}) ? present[l][15:0]
                : present[l][TOTAL_W-1] ? 16'h8000 : 16'h7fff;
    end
  end

  always_ff @(posedge clk_i) begin
    if (added_valid || (state_q == LOAD && step)) total[where] <= next;
  end

  if (Channels % Lanes != 0 || Rows > 15 * Tokens) begin : gen_check
    $error(
        "finn_combine: Lanes = %0d must divide Channels = %0d; at most 15 rows per token", Lanes, Channels
    );
  end

endmodule

`default_nettype wire
