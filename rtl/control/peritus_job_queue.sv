// SPDX-License-Identifier: Apache-2.0
// Job queue: two jobs wait while one runs, so that the next frame is always ready.
//
// A submission is refused (refused_o, one pulse) when the queue is full or the device cannot run jobs (enable_i low).

`default_nettype none

module peritus_job_queue
  import peritus_pkg::*;
(
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       enable_i,
  input  logic       submit_i,
  input  job_t       submit_job_i,
  output logic       refused_o,
  output logic [1:0] level_o,
  output logic       job_valid_o,
  input  logic       job_ready_i,
  output job_t       job_o
);

  logic ready, push, pop;

  assign push = submit_i && enable_i && ready;
  assign pop  = job_valid_o && job_ready_i;

  peritus_fifo #(
    .Width($bits(job_t)),
    .Depth(2)
  ) u_fifo (
    .clk_i,
    .rst_ni,
    .clear_i(1'b0),
    .valid_i(submit_i && enable_i),
    .ready_o(ready),
    .data_i (submit_job_i),
    .valid_o(job_valid_o),
    .ready_i(job_ready_i),
    .data_o (job_o)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      level_o   <= '0;
      refused_o <= 1'b0;
    end else begin
      level_o   <= level_o + 2'(push) - 2'(pop);
      refused_o <= submit_i && !push;
    end
  end

endmodule

`default_nettype wire
