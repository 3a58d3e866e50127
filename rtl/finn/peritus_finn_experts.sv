// SPDX-License-Identifier: Apache-2.0
// A matrix-vector unit with one set of weights per expert: y[row] = x[row] W[index of the row].
//
// Simd inputs and Lanes outputs per cycle; while one row is multiplied the next is stored. File: words of Lanes * Simd int8
// weights, input first, then output; all inputs of Lanes outputs, then the next outputs, then the next expert.
// Reference: peritus.reference.matmul. Cycles: max(1, Outputs / Lanes) * Inputs / Simd per row.

`default_nettype none

module peritus_finn_experts
  import peritus_latency_pkg::*;
#(
  parameter int unsigned Simd = 4,
  parameter int unsigned Lanes = 4,
  parameter int unsigned Inputs = 16,
  parameter int unsigned Outputs = 16,
  parameter int unsigned Experts = 4,
  parameter int unsigned OutW = 24,
  parameter string       File = ""
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,
  input  logic                       valid_i,
  output logic                       ready_o,
  input  logic [ Simd-1:0][     7:0] data_i,
  // the expert of each row
  input  logic                       expert_valid_i,
  output logic                       expert_ready_o,
  input  logic [15:0]                expert_i,
  output logic                       valid_o,
  input  logic                       ready_i,
  output logic [Lanes-1:0][OutW-1:0] data_o
);

  localparam int unsigned IN_FOLDS = Inputs / Simd;
  localparam int unsigned OUT_FOLDS = Outputs / Lanes;
  localparam int unsigned WORDS = Experts * OUT_FOLDS * IN_FOLDS;
  localparam int unsigned IN_W = (IN_FOLDS > 1) ? $clog2(IN_FOLDS) : 1;
  localparam int unsigned OUT_W = (OUT_FOLDS > 1) ? $clog2(OUT_FOLDS) : 1;
  localparam int unsigned ADDR_W = (WORDS > 1) ? $clog2(WORDS) : 1;
  localparam int unsigned TREE = adder_tree_latency(Simd);

  // Two rows: one is stored while the other is multiplied.
  logic [Simd-1:0][7:0] row[2*IN_FOLDS];
  logic [1:0] full_q;
  logic write_q, read_q, store, take, first, last_in, last_out, stored;
  logic [IN_W-1:0] in_q, fold_q;
  logic [OUT_W-1:0] out_q;

  assign ready_o = !full_q[write_q];
  assign store = valid_i && ready_o;
  assign stored = store && 32'(in_q) == IN_FOLDS - 1;
  assign first = fold_q == '0;
  assign last_in = 32'(fold_q) == IN_FOLDS - 1;
  assign last_out = 32'(out_q) == OUT_FOLDS - 1;
  assign expert_ready_o = take && last_in && last_out;

  always_ff @(posedge clk_i) begin
    if (store) in_q <= stored ? '0 : in_q + IN_W'(1);
    if (stored) begin
      write_q <= !write_q;
      full_q[write_q] <= 1'b1;
    end
    if (take) begin
      fold_q <= last_in ? '0 : fold_q + IN_W'(1);
      if (last_in) out_q <= last_out ? '0 : out_q + OUT_W'(1);
      if (last_in && last_out) begin
        read_q <= !read_q;
        full_q[read_q] <= 1'b0;
      end
    end
    if (!rst_ni) begin
      full_q <= '0;
      write_q <= 1'b0;
      read_q <= 1'b0;
      in_q <= '0;
      fold_q <= '0;
      out_q <= '0;
    end
  end

  // Weights meet their inputs.
  logic [Lanes-1:0][Simd-1:0][7:0] weight;
  logic [Simd-1:0][7:0] x_q;
  logic signed [15:0] product_q[Lanes][Simd];
  logic [1:0] valid_q;

  peritus_finn_rom #(
    .Width(8 * Lanes * Simd),
    .Depth(WORDS),
    .File (File)
  ) u_rom (
    .clk_i,
    .re_i  (take),
    .addr_i(ADDR_W'((32'(expert_i) * OUT_FOLDS + 32'(out_q)) * IN_FOLDS + 32'(fold_q))),
    .data_o(weight)
  );

  always_ff @(posedge clk_i) begin
    if (store) row[32'(write_q)*IN_FOLDS+32'(in_q)] <= data_i;
    if (take) x_q <= row[32'(read_q)*IN_FOLDS+32'(fold_q)];
    for (int l = 0; l < int'(Lanes); l++) begin
      for (int s = 0; s < int'(Simd); s++)
      product_q[l][s] <= 16'(signed'(x_q[s])) * 16'(signed'(weight[l][s]));
    end
  end

  always_ff @(posedge clk_i) begin
    valid_q <= {valid_q[0], take};
    if (!rst_ni) valid_q <= '0;
  end

  // Sums over the inputs
  logic [Lanes-1:0] sum_valid;
  logic sum_first, sum_last, result_valid_q;
  logic [Lanes-1:0][OutW-1:0] result_q;

  peritus_delay_line #(
    .Width (2),
    .Stages(2 + TREE)
  ) u_ends (
    .clk_i,
    .en_i  (1'b1),
    .data_i({first, last_in}),
    .data_o({sum_first, sum_last})
  );

  for (genvar l = 0; l < int'(Lanes); l++) begin : gen_lane
    logic signed [15+TREE:0] sum;

    peritus_adder_tree #(
      .Inputs(Simd),
      .InW   (16)
    ) u_sum (
      .clk_i,
      .rst_ni,
      .valid_i(valid_q[1]),
      .value_i(product_q[l]),
      .valid_o(sum_valid[l]),
      .sum_o  (sum)
    );

    always_ff @(posedge clk_i) begin
      if (sum_valid[l]) result_q[l] <= (sum_first ? '0 : result_q[l]) + OutW'(sum);
    end
  end

  always_ff @(posedge clk_i) begin
    result_valid_q <= sum_valid[0] && sum_last && rst_ni;
  end

  // A result is due OUT_FOLDS of IN_FOLDS cycles: room for those on their way.
  localparam int unsigned FLYING = (2 + TREE + 1) / IN_FOLDS + 1;
  logic room, offered, result_taken;

  assign offered = full_q[read_q] && expert_valid_i;
  assign take = offered && (!first || room);
  logic unused_taken;
  assign unused_taken = result_taken;

  peritus_finn_flow #(
    .Width(OutW * Lanes),
    .Depth(FLYING + 2)
  ) u_flow (
    .clk_i,
    .rst_ni,
    .valid_i       (offered && first),
    .ready_o       (room),
    .take_o        (result_taken),
    .result_valid_i(result_valid_q),
    .result_i      (result_q),
    .valid_o,
    .ready_i,
    .data_o
  );

  if (Inputs % Simd != 0 || Outputs % Lanes != 0 || Simd < 2) begin : gen_check
    $error(
        "finn_experts: Simd = %0d, at least 2, of Inputs = %0d; Lanes = %0d of Outputs = %0d",
        Simd,
        Inputs,
        Lanes,
        Outputs
    );
  end

endmodule

`default_nettype wire
