// SPDX-License-Identifier: Apache-2.0
// Token queue of one expert: filled in order by the router, read by position.
//
// count_o counts the entries since clear_i. data_o follows re_i by one cycle and is held; reading an entry in the
// cycle of its push is not allowed.

`default_nettype none

module peritus_expert_queue #(
  parameter  int unsigned Width = 24,
  parameter  int unsigned Depth = 256,
  localparam int unsigned IndexW = $clog2(Depth),
  localparam int unsigned CountW = $clog2(Depth + 1)
) (
  input  logic              clk_i,
  input  logic              rst_ni,
  input  logic              clear_i,
  input  logic              push_i,
  input  logic [Width-1:0]  data_i,
  output logic [CountW-1:0] count_o,
  input  logic              re_i,
  input  logic [IndexW-1:0] index_i,
  output logic [Width-1:0]  data_o
);

  (* no_rw_check, rw_addr_collision = "no" *) logic [Width-1:0] mem[Depth];

  always_ff @(posedge clk_i) begin
    if (push_i) mem[count_o[IndexW-1:0]] <= data_i;
    if (re_i) data_o <= mem[index_i];
  end

  always_ff @(posedge clk_i) begin
    if (push_i) count_o <= count_o + CountW'(1);
    if (clear_i || !rst_ni) count_o <= '0;
  end

`ifndef SYNTHESIS
  assert property (@(posedge clk_i) disable iff (!rst_ni) push_i |-> count_o < CountW'(Depth))
  else $error("expert_queue: push into a full queue of %0d entries", Depth);
`endif

endmodule

`default_nettype wire
