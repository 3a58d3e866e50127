// SPDX-License-Identifier: Apache-2.0
// Stand-in for FINN's pipelined adder tree in simulation, where a constant function inside a generate block is refused.
// The same sum after the same number of cycles, the registers behind the tree instead of inside it.
//
//   sum = the sum of the N arguments (signed if ARG_LO < 0), DEPTH cycles later

`default_nettype none

module add_multi
  import mvu_pkg::*;
#(
  parameter int unsigned N = 2,
  parameter int unsigned DEPTH = 1,
  parameter int unsigned ARG_WIDTH = 8,
  parameter int ARG_LO = 0,
  parameter int ARG_HI = 0,
  parameter bit RESET_ZERO = 1,
  localparam int unsigned SUM_WIDTH = sumwidth(N, ARG_WIDTH, ARG_LO, ARG_HI)
) (
  input  logic                 clk,
  input  logic                 rst,
  input  logic                 en,
  input  logic [ARG_WIDTH-1:0] arg [N],
  output logic [SUM_WIDTH-1:0] sum
);

  logic [SUM_WIDTH-1:0] total;

  always_comb begin
    total = '0;
    for (int unsigned i = 0; i < N; i++) begin
      total += (ARG_LO < 0) ? SUM_WIDTH'(signed'(arg[i])) : SUM_WIDTH'(arg[i]);
    end
  end

  if (DEPTH == 0) begin : gen_wire
    assign sum = total;
  end else begin : gen_delay
    logic [SUM_WIDTH-1:0] stage_q[DEPTH];

    always_ff @(posedge clk) begin
      if (en) begin
        stage_q[0] <= total;
        for (int unsigned i = 1; i < DEPTH; i++) stage_q[i] <= stage_q[i-1];
      end
      if (rst) stage_q <= '{default: '0};
    end

    assign sum = stage_q[DEPTH-1];
  end

  logic unused;
  assign unused = RESET_ZERO;

endmodule

`default_nettype wire
