// SPDX-License-Identifier: Apache-2.0
// Counters of four nested loops, as LOAD_IMAGE and STORE run them:
//
//   for n0: for n1: for n2: for n3: step
//
// wrap_o[l]: the present step is the last of loop 3-l and of every loop inside it; last_o: of all loops.
// start_i loads the counts (each >= 1); step_i moves on by one. No latency: outputs belong to the present step.

`default_nettype none

module peritus_loop_nest (
  input  logic        clk_i,
  input  logic        start_i,
  input  logic [11:0] n0_i,
  input  logic [7:0]  n1_i,
  input  logic [11:0] n2_i,
  input  logic [7:0]  n3_i,
  input  logic        step_i,
  output logic [2:0]  wrap_o,
  output logic        last_o
);

  // Innermost loop first. That a loop is at its end, or has one step only, is known a step ahead: no comparison
  // lies between the registers and wrap_o.
  logic [3:0][11:0] counts, count_q, left_q;
  logic [3:0] turns, end_q, single_q;

  assign counts = {n0_i, 12'(n1_i), n2_i, 12'(n3_i)};
  assign turns  = {wrap_o, 1'b1};
  assign wrap_o = {&end_q[2:0], &end_q[1:0], end_q[0]};
  assign last_o = &end_q;

  always_ff @(posedge clk_i) begin
    for (int l = 0; l < 4; l++) begin
      if (start_i) begin
        count_q[l]  <= counts[l];
        left_q[l]   <= counts[l];
        single_q[l] <= counts[l] == 1;
        end_q[l]    <= counts[l] == 1;
      end else if (step_i && turns[l]) begin
        left_q[l] <= end_q[l] ? count_q[l] : left_q[l] - 1'b1;
        end_q[l]  <= end_q[l] ? single_q[l] : left_q[l] == 2;
      end
    end
  end

endmodule

`default_nettype wire
