// SPDX-License-Identifier: Apache-2.0
// Small first-in first-out buffer with ready/valid on both sides.
//
// Data appear at the output one cycle after they were accepted. clear_i empties it and wins over a push.
// The storage is read without a register: it becomes distributed RAM, one LUT level from valid_o to data_o.

`default_nettype none

module peritus_fifo #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 4
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             clear_i,
  input  logic             valid_i,
  output logic             ready_o,
  input  logic [Width-1:0] data_i,
  output logic             valid_o,
  input  logic             ready_i,
  output logic [Width-1:0] data_o
);

  localparam int unsigned PTR_W = (Depth > 1) ? $clog2(Depth) : 1;
  localparam int unsigned LEVEL_W = $clog2(Depth + 1);

  (* ram_style = "distributed" *) logic [Width-1:0] mem[Depth];
  logic [PTR_W-1:0] wptr_q, rptr_q;
  logic [LEVEL_W-1:0] level_q;
  logic valid_q, full_q;  // level_q != 0, level_q == Depth, from registers
  logic push, pop;

  function automatic logic [PTR_W-1:0] next(logic [PTR_W-1:0] ptr);
    return (32'(ptr) == Depth - 1) ? '0 : ptr + 1'b1;
  endfunction

  assign ready_o = !full_q;
  assign valid_o = valid_q;
  assign data_o  = mem[rptr_q];
  assign push    = valid_i && ready_o;
  assign pop     = valid_o && ready_i;

  always_ff @(posedge clk_i) begin
    if (push) mem[wptr_q] <= data_i;
    if (!rst_ni || clear_i) begin
      wptr_q  <= '0;
      rptr_q  <= '0;
      level_q <= '0;
    end else if (push || pop) begin
      if (push) wptr_q <= next(wptr_q);
      if (pop) rptr_q <= next(rptr_q);
      level_q <= level_q + LEVEL_W'(push) - LEVEL_W'(pop);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) valid_q <= 1'b0;
    else if (push) valid_q <= 1'b1;
    else if (pop) valid_q <= 32'(level_q) != 1;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) full_q <= 1'b0;
    else if (push != pop) full_q <= push && 32'(level_q) == Depth - 1;
  end

endmodule

`default_nettype wire
