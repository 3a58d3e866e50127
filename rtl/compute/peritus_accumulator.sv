// SPDX-License-Identifier: Apache-2.0
// Partial sums over the K tiles, one row of PN accumulators per token of the pass.
//
//   total_o[n] = (first_k ? 0 : acc[row][n]) + sum_i[n];   acc[row] = total unless last_k
//
// token_i runs two cycles ahead of sum_i, to read the row. A row may come again after four cycles (MIN_PASS).
// Latency: one cycle from sum_i to total_o.

`default_nettype none

module peritus_accumulator
  import peritus_pkg::*;
  import peritus_core_pkg::*;
  import peritus_pipeline_pkg::*;
(
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  token_t                  token_i,
  input  logic signed [21:0]      sum_i [PN],
  output logic signed [ACC_W-1:0] total_o [PN]
);

  typedef struct packed {
    logic               valid, first_k, last_k;
    logic [TOKEN_W-1:0] row;
  } row_t;
  row_t row_q[3];

  always_ff @(posedge clk_i) begin
    row_q[0] <= '{valid: token_i.valid, first_k: token_i.first_k, last_k: token_i.last_k, row: token_i.row};
    row_q[1] <= row_q[0];
    row_q[2] <= row_q[1];
    if (!rst_ni) begin
      for (int i = 0; i < 3; i++) row_q[i].valid <= 1'b0;
    end
  end

  logic [ACC_W-1:0] previous[PN];

  for (genvar n = 0; n < int'(PN); n++) begin : gen_lane
    peritus_ram_1r1w #(
      .Width(ACC_W),
      .Depth(ACC_DEPTH)
    ) u_ram (
      .clk_i,
      .we_i   (row_q[2].valid && !row_q[2].last_k),
      .waddr_i(row_q[2].row),
      .wdata_i(total_o[n]),
      .re_i   (token_i.valid && !token_i.first_k),
      .raddr_i(token_i.row),
      .rdata_o(previous[n])
    );
  end

  always_ff @(posedge clk_i) begin
    if (ALWAYS_LOAD || row_q[1].valid) begin
      for (int n = 0; n < int'(PN); n++) begin
        total_o[n] <= (row_q[1].first_k ? ACC_W'(0) : signed'(previous[n])) + ACC_W'(sum_i[n]);
      end
    end
  end


endmodule

`default_nettype wire
