// SPDX-License-Identifier: Apache-2.0
// Largest of the candidates, the lowest index among equals.
//
//   index_o = min { i : candidate_i[i], value_i[i] = maximum_o },   maximum_o = max { value_i[i] : candidate_i[i] }
//
// Undefined where there is no candidate. A balanced tree: a node keeps its left, lower input unless the right one
// is a candidate and strictly larger.
//
// Latency: argmax_latency(Inputs) = ceil(log2(Inputs)), one vector per cycle, a register after every node.
// Registers hold while their level is not valid.

`default_nettype none

module peritus_argmax
  import peritus_latency_pkg::*;
#(
  parameter  int unsigned Inputs = 8,
  parameter  int unsigned Width = 16,
  localparam int unsigned IndexW = $clog2(Inputs)
) (
  input  logic                         clk_i,
  input  logic                         rst_ni,
  input  logic                         valid_i,
  input  logic [Inputs-1:0][Width-1:0] value_i,  // signed
  input  logic [Inputs-1:0]            candidate_i,
  output logic                         valid_o,
  output logic signed [Width-1:0]      maximum_o,
  output logic [IndexW-1:0]            index_o
);

  localparam int LEVELS = int'(argmax_latency(Inputs));

  typedef struct packed {
    logic              candidate;
    logic [IndexW-1:0] index;
    logic [Width-1:0]  value;
  } node_t;

  // Winners that level `level` holds; level -1 is the input.
  function automatic int nodes(int level);
    int count;
    count = int'(Inputs);
    for (int i = 0; i <= level; i++) count = (count + 1) / 2;
    return count;
  endfunction

  function automatic node_t better(node_t left, node_t right);
    logic larger;
    larger = signed'(right.value) > signed'(left.value);
    return (right.candidate && (!left.candidate || larger)) ? right : left;
  endfunction

  node_t node_q[LEVELS][nodes(0)];
  node_t leaf[Inputs];
  logic [LEVELS:0] valid;  // [level]: the inputs of this level

  always_comb begin
    for (int i = 0; i < int'(Inputs); i++) leaf[i] = {candidate_i[i], IndexW'(i), value_i[i]};
  end

  always_ff @(posedge clk_i) begin
    for (int level = 0; level < LEVELS; level++) begin
      if (valid[level]) begin
        for (int n = 0; n < nodes(level); n++) begin
          if (2 * n + 1 == nodes(level - 1)) begin
            node_q[level][n] <= (level == 0) ? leaf[2*n] : node_q[level-1][2*n];
          end else begin
            node_q[level][n] <= (level == 0) ? better(leaf[2*n], leaf[2*n+1]) :
                better(node_q[level-1][2*n], node_q[level-1][2*n+1]);
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
  assign maximum_o = node_q[LEVELS-1][0].value;
  assign index_o = node_q[LEVELS-1][0].index;

  if (Inputs < 2) begin : gen_check
    $error("argmax: Inputs = %0d must be at least 2", Inputs);
  end

endmodule

`default_nettype wire
