// SPDX-License-Identifier: Apache-2.0
// Counters of four nested loops, as LOAD_IMAGE and STORE run them:
//
//   for n0: for n1: for n2: for n3: step
//
// wrap_o[l]: the present step is the last of loop 3-l and of every loop inside it; last_o: of all loops.
// start_i loads the counts (each >= 1); step_i moves on by one. No latency: outputs belong to the present step.

module loop_nest (
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

  logic [11:0] n0_q, n2_q, left0_q, left2_q;
  logic [7:0]  n1_q, n3_q, left1_q, left3_q;

  logic [3:0] ends;  // each loop for itself is at its end, innermost first

  assign ends   = {left0_q == 1, left1_q == 1, left2_q == 1, left3_q == 1};
  assign wrap_o = {&ends[2:0], &ends[1:0], ends[0]};
  assign last_o = &ends;

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      {n0_q, n1_q, n2_q, n3_q} <= {n0_i, n1_i, n2_i, n3_i};
      {left0_q, left1_q, left2_q, left3_q} <= {n0_i, n1_i, n2_i, n3_i};
    end else if (step_i) begin
      left3_q <= wrap_o[0] ? n3_q : left3_q - 1'b1;
      if (wrap_o[0]) left2_q <= wrap_o[1] ? n2_q : left2_q - 1'b1;
      if (wrap_o[1]) left1_q <= wrap_o[2] ? n1_q : left1_q - 1'b1;
      if (wrap_o[2]) left0_q <= last_o ? n0_q : left0_q - 1'b1;
    end
  end

endmodule
