// SPDX-License-Identifier: Apache-2.0
// Leading zero count and left alignment of an unsigned number.
//
//   zeros_o = leading zeros of value_i, rounded down to a multiple of 2^DropSteps
//   value_o = value_i << zeros_o
//
// value_i = 0 gives value_o = 0 and the largest count. A logarithmic shifter: each step tests and removes half
// as many leading zeros as the one before.
//
// Latency: NORMALIZE_LATENCY, one value per cycle, two of at most six steps per register.

`default_nettype none

module peritus_normalize
  import peritus_latency_pkg::*;
#(
  parameter  int unsigned Width = 24,
  parameter  int unsigned DropSteps = 0,
  localparam int unsigned CountW = $clog2(Width)
) (
  input  logic              clk_i,
  input  logic              rst_ni,
  input  logic              valid_i,
  input  logic [Width-1:0]  value_i,
  output logic              valid_o,
  output logic [Width-1:0]  value_o,
  output logic [CountW-1:0] zeros_o
);

  localparam int STAGES = int'(NORMALIZE_LATENCY);
  localparam int STEPS_PER_STAGE = 2;

  logic [Width-1:0] value_q[STAGES];
  logic [CountW-1:0] zeros_q[STAGES];
  logic [STAGES:0] valid;

  // The steps of one stage: remove 2^step leading zeros where there are as many, step by step.
  for (genvar stage = 0; stage < STAGES; stage++) begin : gen_stage
    logic [Width-1:0] value_d;
    logic [CountW-1:0] zeros_d;

    always_comb begin
      value_d = (stage == 0) ? value_i : value_q[(stage+STAGES-1)%STAGES];
      zeros_d = (stage == 0) ? '0 : zeros_q[(stage+STAGES-1)%STAGES];
      for (int i = 0; i < STEPS_PER_STAGE; i++) begin
        automatic int step = int'(CountW) - 1 - stage * STEPS_PER_STAGE - i;
        if (step >= int'(DropSteps) && (value_d >> (int'(Width) - (1 << step))) == '0) begin
          value_d = value_d << (1 << step);
          zeros_d[step] = 1'b1;
        end
      end
    end

    always_ff @(posedge clk_i) begin
      if (valid[stage]) begin
        value_q[stage] <= value_d;
        zeros_q[stage] <= zeros_d;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    valid[STAGES:1] <= valid[STAGES-1:0];
    if (!rst_ni) valid[STAGES:1] <= '0;
  end

  assign valid[0] = valid_i;
  assign valid_o = valid[STAGES];
  assign value_o = value_q[STAGES-1];
  assign zeros_o = zeros_q[STAGES-1];

  if (int'(CountW) > STAGES * STEPS_PER_STAGE || DropSteps >= CountW) begin : gen_check
    $error("normalize: Width = %0d, DropSteps = %0d not supported", Width, DropSteps);
  end

endmodule

`default_nettype wire
