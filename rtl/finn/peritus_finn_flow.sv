// SPDX-License-Identifier: Apache-2.0
// Ready and valid around a pipeline that cannot wait: a beat enters only if the FIFO behind has room for its result.
//
// Every beat that enters (take_o) gives one result, in order. At most Depth are in the pipeline and the FIFO together:
// one beat per cycle needs Depth of the pipeline's latency and two more.

`default_nettype none

module peritus_finn_flow #(
  parameter  int unsigned Width = 8,
  parameter  int unsigned Depth = 8,
  localparam int unsigned CountW = $clog2(Depth + 1)
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  // beats in, their data beside this module
  input  logic             valid_i,
  output logic             ready_o,
  output logic             take_o,
  // results of the pipeline
  input  logic             result_valid_i,
  input  logic [Width-1:0] result_i,
  // results out
  output logic             valid_o,
  input  logic             ready_i,
  output logic [Width-1:0] data_o
);

  logic [CountW-1:0] inside_q;
  logic unused_ready;

  assign ready_o = 32'(inside_q) != Depth;
  assign take_o  = valid_i && ready_o;

  always_ff @(posedge clk_i) begin
    inside_q <= inside_q + CountW'(take_o) - CountW'(valid_o && ready_i);
    if (!rst_ni) inside_q <= '0;
  end

  peritus_fifo #(
    .Width(Width),
    .Depth(Depth)
  ) u_fifo (
    .clk_i,
    .rst_ni,
    .clear_i(1'b0),
    .valid_i(result_valid_i),
    .ready_o(unused_ready),
    .data_i (result_i),
    .valid_o,
    .ready_i,
    .data_o
  );

`ifndef SYNTHESIS
  assert property (@(posedge clk_i) disable iff (!rst_ni) result_valid_i |-> unused_ready)
  else $error("finn_flow: a result without room");
`endif

endmodule

`default_nettype wire
