// SPDX-License-Identifier: Apache-2.0
// Softmax numerators of one score vector, and their sum.
//
//   p_o[l] = keep_i[l] ? EXP_TABLE[min(maximum_i - score_i[l], 255)] : 0,   sum_o = sum over l of p_o[l]
//
// Scores are in 1/16 octaves; maximum_i is at least every kept score. Padding keys are not kept.
//
// Reference: peritus.reference.softmax. Latency, one vector per cycle: probabilities EXP_LOOKUP_LATENCY
// (subtract; saturate; table), their sum adder_tree_latency(Lanes) later. Registers hold while not valid,
// unless ALWAYS_LOAD.

`default_nettype none

module peritus_exp_lookup
  import peritus_latency_pkg::*;
  import peritus_pipeline_pkg::*;
  import peritus_tables_pkg::*;
#(
  parameter  int unsigned Lanes = 8,
  localparam int unsigned SumW = 8 + $clog2(Lanes)
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               valid_i,
  input  logic signed [15:0] score_i [Lanes],
  input  logic signed [15:0] maximum_i,
  input  logic               keep_i [Lanes],
  output logic               valid_o,
  output logic [7:0]         p_o [Lanes],
  output logic               sum_valid_o,
  output logic [SumW-1:0]    sum_o
);

  logic signed [16:0] distance_q[Lanes];  // 0..65535 where kept
  logic distance_keep_q[Lanes];
  logic [7:0] index_q[Lanes];
  logic index_keep_q[Lanes];
  logic [EXP_LOOKUP_LATENCY-1:0] valid_q;

  always_ff @(posedge clk_i) begin
    if (ALWAYS_LOAD || valid_i) begin
      for (int l = 0; l < int'(Lanes); l++) distance_q[l] <= 17'(maximum_i) - 17'(score_i[l]);
      distance_keep_q <= keep_i;
    end
    if (ALWAYS_LOAD || valid_q[0]) begin
      for (int l = 0; l < int'(Lanes); l++) begin
        index_q[l] <= (distance_q[l][16:8] != '0) ? 8'hff : distance_q[l][7:0];
      end
      index_keep_q <= distance_keep_q;
    end
    if (ALWAYS_LOAD || valid_q[1]) begin
      for (int l = 0; l < int'(Lanes); l++) p_o[l] <= index_keep_q[l] ? EXP_TABLE[index_q[l]] : '0;
    end
  end

  always_ff @(posedge clk_i) begin
    valid_q <= {valid_q[EXP_LOOKUP_LATENCY-2:0], valid_i};
    if (!rst_ni) valid_q <= '0;
  end

  assign valid_o = valid_q[EXP_LOOKUP_LATENCY-1];

  logic signed [8:0] addend[Lanes];
  logic signed [SumW:0] sum;

  always_comb begin
    for (int l = 0; l < int'(Lanes); l++) addend[l] = {1'b0, p_o[l]};
  end

  peritus_adder_tree #(
    .Inputs(Lanes),
    .InW   (9)
  ) u_sum (
    .clk_i,
    .rst_ni,
    .valid_i(valid_o),
    .value_i(addend),
    .valid_o(sum_valid_o),
    .sum_o  (sum)
  );

  assign sum_o = sum[SumW-1:0];
  logic unused_sign;
  assign unused_sign = sum[SumW];

`ifndef SYNTHESIS
  for (genvar l = 0; l < int'(Lanes); l++) begin : gen_assert
    assert property (@(posedge clk_i) disable iff (!rst_ni) valid_i && keep_i[l] |-> maximum_i >= score_i[l])
    else $error("exp_lookup: lane %0d has score %0d above the row maximum %0d", l, score_i[l], maximum_i);
  end
`endif

endmodule

`default_nettype wire
