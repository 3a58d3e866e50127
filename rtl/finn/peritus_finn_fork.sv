// SPDX-License-Identifier: Apache-2.0
// One stream to Copies readers: a beat leaves the input when every reader's FIFO has room for it.

`default_nettype none

module peritus_finn_fork #(
  parameter int unsigned Width = 8,
  parameter int unsigned Copies = 2
) (
  input  logic                          clk_i,
  input  logic                          rst_ni,
  input  logic                          valid_i,
  output logic                          ready_o,
  input  logic [ Width-1:0]             data_i,
  output logic [Copies-1:0]             valid_o,
  input  logic [Copies-1:0]             ready_i,
  output logic [Copies-1:0][Width-1:0]  data_o
);

  logic [Copies-1:0] ready;

  assign ready_o = &ready;

  for (genvar i = 0; i < int'(Copies); i++) begin : gen_copy
    peritus_fifo #(
      .Width(Width),
      .Depth(2)
    ) u_fifo (
      .clk_i,
      .rst_ni,
      .clear_i(1'b0),
      .valid_i(valid_i && ready_o),
      .ready_o(ready[i]),
      .data_i,
      .valid_o(valid_o[i]),
      .ready_i(ready_i[i]),
      .data_o (data_o[i])
    );
  end

endmodule

`default_nettype wire
