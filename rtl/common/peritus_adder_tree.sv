// SPDX-License-Identifier: Apache-2.0
// Sum of a vector of signed numbers: a binary tree with a register after every node.
//
//   sum_o = value_i[0] + ... + value_i[Inputs-1]
//
// Latency: adder_tree_latency(Inputs) = ceil(log2(Inputs)), one vector per cycle. Registers hold while their
// level is not valid, unless ALWAYS_LOAD.

`default_nettype none

module peritus_adder_tree
  import peritus_latency_pkg::*;
  import peritus_pipeline_pkg::*;
#(
  parameter  int unsigned Inputs = 8,
  parameter  int unsigned InW = 16,
  localparam int unsigned OutW = InW + $clog2(Inputs)
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   valid_i,
  input  logic signed [InW-1:0]  value_i [Inputs],
  output logic                   valid_o,
  output logic signed [OutW-1:0] sum_o
);

  localparam int LEVELS = int'(adder_tree_latency(Inputs));

  // Sums that level `level` holds; level -1 is the input.
  function automatic int nodes(int level);
    int count;
    count = int'(Inputs);
    for (int i = 0; i <= level; i++) count = (count + 1) / 2;
    return count;
  endfunction

  logic signed [OutW-1:0] node_q[LEVELS][nodes(0)];
  logic [LEVELS:0] valid;  // [level]: the inputs of this level

  always_ff @(posedge clk_i) begin
    for (int level = 0; level < LEVELS; level++) begin
      if (ALWAYS_LOAD || valid[level]) begin
        for (int n = 0; n < nodes(level); n++) begin
          if (2 * n + 1 == nodes(level - 1)) begin
            node_q[level][n] <= (level == 0) ? OutW'(value_i[2*n]) : node_q[level-1][2*n];
          end else begin
            node_q[level][n] <= (level == 0) ? OutW'(value_i[2*n]) + OutW'(value_i[2*n+1])
                                             : node_q[level-1][2*n] + node_q[level-1][2*n+1];
          end
        end
      end
    end
  end

  always_ff @(posedge clk_i) begin
    valid[LEVELS:1] <= valid[LEVELS-1:0];
    if (!rst_ni) valid[LEVELS:1] <= '0;
  end

  assign valid[0] = valid_i;
  assign valid_o = valid[LEVELS];
  assign sum_o = node_q[LEVELS-1][0];

  if (Inputs < 2) begin : gen_check
    $error("adder_tree: Inputs = %0d must be at least 2", Inputs);
  end

endmodule

`default_nettype wire
