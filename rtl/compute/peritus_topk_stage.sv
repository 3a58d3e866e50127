// SPDX-License-Identifier: Apache-2.0
// One selection of the top-k sort: takes the best remaining candidate and passes the others on.
//
//   index_o, maximum_o = argmax of value_i over candidate_i (lowest index wins ties)
//   value_o = value_i,   candidate_o = candidate_i without index_o
//
// K stages in a row deliver the K best, best first.
//
// Reference: peritus.reference.router. Latency: topk_stage_latency(Inputs), one vector per cycle. en_i is high
// while anything is inside.

`default_nettype none

module peritus_topk_stage
  import peritus_latency_pkg::*;
#(
  parameter  int unsigned Inputs = 8,
  localparam int unsigned IndexW = $clog2(Inputs)
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic                    en_i,
  input  logic                    valid_i,
  input  logic [Inputs-1:0][15:0] value_i,  // signed
  input  logic [Inputs-1:0]       candidate_i,
  output logic                    valid_o,
  output logic signed [15:0]      maximum_o,
  output logic [IndexW-1:0]       index_o,
  output logic [Inputs-1:0][15:0] value_o,
  output logic [Inputs-1:0]       candidate_o
);

  logic best_valid;
  logic signed [15:0] best_value;
  logic [IndexW-1:0] best_index;
  logic [Inputs-1:0][15:0] value;
  logic [Inputs-1:0] candidate;

  peritus_argmax #(
    .Inputs(Inputs),
    .Width (16)
  ) u_argmax (
    .clk_i,
    .rst_ni,
    .valid_i,
    .value_i,
    .candidate_i,
    .valid_o  (best_valid),
    .maximum_o(best_value),
    .index_o  (best_index)
  );

  peritus_delay_line #(
    .Width (Inputs * 17),
    .Stages(argmax_latency(Inputs))
  ) u_others (
    .clk_i,
    .en_i,
    .data_i({candidate_i, value_i}),
    .data_o({candidate, value})
  );

  always_ff @(posedge clk_i) begin
    if (best_valid) begin
      maximum_o   <= best_value;
      index_o     <= best_index;
      value_o     <= value;
      candidate_o <= candidate & ~(Inputs'(1) << best_index);
    end
  end

  always_ff @(posedge clk_i) begin
    valid_o <= best_valid;
    if (!rst_ni) valid_o <= 1'b0;
  end

endmodule

`default_nettype wire
