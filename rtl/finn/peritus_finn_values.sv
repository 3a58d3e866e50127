// SPDX-License-Identifier: Apache-2.0
// Attention's weighted sum of values as a stream: P . v of every head, scaled by channel and by the row's factor.
//
//   out[query][c] = sat8(rhu(sat24(rhu(sum over keys of p v[key][c] multiplier[c], shift[c])) mantissa, row_shift + Shift2))
//
// A beat of v is one head of one token, a beat of p one numerator. The values of all tokens are stored first. Values count
// within +-127. A head's sums leave Lanes at a time while the next row is summed. File: words of Lanes {shift uint8,
// multiplier uint16}, first channel in the low bits. Reference: peritus.reference.attention_values, stationary.
// Cycles: Tokens * Heads to store the values, Tokens * Heads * Tokens to sum.

`default_nettype none

module peritus_finn_values
  import peritus_latency_pkg::*;
#(
  parameter int unsigned HeadDim = 8,
  parameter int unsigned Heads = 2,
  parameter int unsigned Tokens = 16,
  parameter int unsigned Lanes = 4,
  parameter int unsigned Shift2 = 0,
  parameter string       File = ""
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic                    p_valid_i,
  output logic                    p_ready_o,
  input  logic [7:0]              p_i,
  input  logic                    factor_valid_i,
  output logic                    factor_ready_o,
  input  logic [21:0]             factor_i,  // {shift, mantissa}
  input  logic                    v_valid_i,
  output logic                    v_ready_o,
  input  logic [HeadDim-1:0][7:0] v_i,
  output logic                    valid_o,
  input  logic                    ready_i,
  output logic [Lanes-1:0][7:0]   data_o
);

  localparam int unsigned BEATS = Tokens * Heads;
  localparam int unsigned FOLDS = HeadDim / Lanes;
  localparam int unsigned ADDR_W = (BEATS > 1) ? $clog2(BEATS) : 1;
  localparam int unsigned HEAD_W = (Heads > 1) ? $clog2(Heads) : 1;
  localparam int unsigned KEY_W = (Tokens > 1) ? $clog2(Tokens) : 1;
  localparam int unsigned FOLD_W = (FOLDS > 1) ? $clog2(FOLDS) : 1;
  localparam int unsigned PARAM_W = (Heads * FOLDS > 1) ? $clog2(Heads * FOLDS) : 1;
  localparam int unsigned SUM_W = 17 + $clog2(Tokens);

  // Store the values, then sum: a row's last key waits until the sums of the row before have left.
  logic summing_q, store, step, last_key, last_row, full_q;
  logic [ADDR_W-1:0] stored_q, row_q;
  logic [HEAD_W-1:0] head_q;
  logic [KEY_W-1:0] key_q;

  assign v_ready_o = !summing_q;
  assign store = v_valid_i && v_ready_o;
  assign last_key = 32'(key_q) == Tokens - 1;
  assign last_row = 32'(row_q) == BEATS - 1;

  // step: a numerator enters; its product is added two cycles later, so a row is complete two cycles behind its last key.
  logic [1:0] step_q, first_q, last_q;
  assign p_ready_o = summing_q && !(last_key && (full_q || last_q != '0));
  assign step = p_valid_i && p_ready_o;

  always_ff @(posedge clk_i) begin
    if (store) begin
      stored_q <= (32'(stored_q) == BEATS - 1) ? '0 : stored_q + ADDR_W'(1);
      if (32'(stored_q) == BEATS - 1) summing_q <= 1'b1;
    end
    if (step) begin
      key_q <= last_key ? '0 : key_q + KEY_W'(1);
      if (last_key) begin
        head_q <= (32'(head_q) == Heads - 1) ? '0 : head_q + HEAD_W'(1);
        row_q <= last_row ? '0 : row_q + ADDR_W'(1);
        if (last_row) summing_q <= 1'b0;
      end
    end
    step_q <= {step_q[0], step};
    first_q <= {first_q[0], key_q == '0};
    last_q <= {last_q[0], step && last_key};
    if (!rst_ni) begin
      summing_q <= 1'b0;
      stored_q <= '0;
      row_q <= '0;
      head_q <= '0;
      key_q <= '0;
      step_q <= '0;
      last_q <= '0;
    end
  end

  logic [HeadDim-1:0][7:0] value_memory[BEATS];
  logic [HeadDim-1:0][7:0] v_clamped, v_q;
  logic [7:0] p_q;
  logic signed [16:0] product_q[HeadDim];
  logic signed [SUM_W-1:0] sum_d[HeadDim], sum_q[HeadDim], row_sum_q[HeadDim];

  always_comb begin
    for (int c = 0; c < int'(HeadDim); c++) begin
      v_clamped[c] = (v_i[c] == 8'h80) ? 8'h81 : v_i[c];
      sum_d[c] = (first_q[1] ? '0 : sum_q[c]) + SUM_W'(product_q[c]);
    end
  end

  always_ff @(posedge clk_i) begin
    if (store) value_memory[stored_q] <= v_clamped;
    if (step) begin
      v_q <= value_memory[ADDR_W'(32'(key_q) * Heads + 32'(head_q))];
      p_q <= p_i;
    end
    for (int c = 0; c < int'(HeadDim); c++) begin
      product_q[c] <= 17'(signed'({1'b0, p_q})) * 17'(signed'(v_q[c]));
      if (step_q[1]) sum_q[c] <= sum_d[c];
      if (last_q[1]) row_sum_q[c] <= sum_d[c];
    end
  end

  // A row's sums leave, Lanes at a time.
  logic take, last_fold, last_param, unused_ready;
  logic [FOLD_W-1:0] fold_q;
  logic [PARAM_W-1:0] param_q;

  assign last_fold = 32'(fold_q) == FOLDS - 1;
  assign last_param = 32'(param_q) == Heads * FOLDS - 1;
  assign factor_ready_o = take && last_fold;

  always_ff @(posedge clk_i) begin
    if (take) begin
      fold_q <= last_fold ? '0 : fold_q + FOLD_W'(1);
      param_q <= last_param ? '0 : param_q + PARAM_W'(1);
      if (last_fold) full_q <= 1'b0;
    end
    if (last_q[1]) full_q <= 1'b1;
    if (!rst_ni) begin
      full_q <= 1'b0;
      fold_q <= '0;
      param_q <= '0;
    end
  end

  typedef struct packed {
    logic [7:0]  shift;
    logic [15:0] multiplier;
  } channel_t;

  channel_t [Lanes-1:0] channel;
  logic signed [26:0] value_q[Lanes];
  logic [15:0] multiplier[Lanes], mantissa[Lanes];
  logic [5:0] shift[Lanes], row_shift[Lanes];
  logic [21:0] factor;
  logic value_valid_q, scaled_valid, result_valid;
  logic signed [23:0] scaled[Lanes];
  logic signed [7:0] result[Lanes];
  logic [Lanes-1:0][7:0] result_packed;

  peritus_finn_rom #(
    .Width(24 * Lanes),
    .Depth(Heads * FOLDS),
    .File (File)
  ) u_rom (
    .clk_i,
    .re_i  (take),
    .addr_i(param_q),
    .data_o(channel)
  );

  always_ff @(posedge clk_i) begin
    for (int l = 0; l < int'(Lanes); l++) value_q[l] <= 27'(row_sum_q[32'(fold_q)*Lanes+l]);
    value_valid_q <= take && rst_ni;
  end

  peritus_delay_line #(
    .Width (22),
    .Stages(1 + REQUANTIZE_LATENCY)
  ) u_factor (
    .clk_i,
    .en_i  (1'b1),
    .data_i(factor_i),
    .data_o(factor)
  );

  always_comb begin
    for (int l = 0; l < int'(Lanes); l++) begin
      multiplier[l] = channel[l].multiplier;
      shift[l] = channel[l].shift[5:0];
      mantissa[l] = factor[15:0];
      row_shift[l] = factor[21:16] + 6'(Shift2);
      result_packed[l] = result[l];
    end
  end

  peritus_requantize #(
    .Lanes(Lanes),
    .InW  (27),
    .OutW (24)
  ) u_stage1 (
    .clk_i,
    .rst_ni,
    .valid_i     (value_valid_q),
    .value_i     (value_q),
    .multiplier_i(multiplier),
    .shift_i     (shift),
    .valid_o     (scaled_valid),
    .value_o     (scaled)
  );

  peritus_requantize #(
    .Lanes(Lanes),
    .InW  (24),
    .OutW (8)
  ) u_stage2 (
    .clk_i,
    .rst_ni,
    .valid_i     (scaled_valid),
    .value_i     (scaled),
    .multiplier_i(mantissa),
    .shift_i     (row_shift),
    .valid_o     (result_valid),
    .value_o     (result)
  );

  peritus_finn_flow #(
    .Width(8 * Lanes),
    .Depth(1 + 2 * REQUANTIZE_LATENCY + 2)
  ) u_flow (
    .clk_i,
    .rst_ni,
    .valid_i       (full_q && factor_valid_i),
    .ready_o       (unused_ready),
    .take_o        (take),
    .result_valid_i(result_valid),
    .result_i      (result_packed),
    .valid_o,
    .ready_i,
    .data_o
  );

  if (HeadDim % Lanes != 0) begin : gen_check
    $error("finn_values: Lanes = %0d must divide HeadDim = %0d", Lanes, HeadDim);
  end

endmodule

`default_nettype wire
