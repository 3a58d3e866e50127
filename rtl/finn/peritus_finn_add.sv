// SPDX-License-Identifier: Apache-2.0
// The residual addition as a stream: sat16(a + b), one beat of Lanes int16 values of each operand per cycle.
//
// Reference: peritus.reference.residual_add.

`default_nettype none

module peritus_finn_add #(
  parameter int unsigned Lanes = 4
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   a_valid_i,
  output logic                   a_ready_o,
  input  logic [Lanes-1:0][15:0] a_data_i,
  input  logic                   b_valid_i,
  output logic                   b_ready_o,
  input  logic [Lanes-1:0][15:0] b_data_i,
  output logic                   valid_o,
  input  logic                   ready_i,
  output logic [Lanes-1:0][15:0] data_o
);

  logic ready;
  logic [Lanes-1:0][15:0] total;

  function automatic logic [15:0] add(logic signed [15:0] a, logic signed [15:0] b);
    logic signed [16:0] wide;
    wide = 17'(a) + 17'(b);
    return (wide[16] == wide[15]) ? wide[15:0] : {wide[16], {15{!wide[16]}}};
  endfunction

  always_comb begin
    for (int l = 0; l < int'(Lanes); l++) total[l] = add(signed'(a_data_i[l]), signed'(b_data_i[l]));
  end

  assign a_ready_o = ready && b_valid_i;
  assign b_ready_o = ready && a_valid_i;

  peritus_fifo #(
    .Width(16 * Lanes),
    .Depth(2)
  ) u_fifo (
    .clk_i,
    .rst_ni,
    .clear_i(1'b0),
    .valid_i(a_valid_i && b_valid_i),
    .ready_o(ready),
    .data_i (total),
    .valid_o,
    .ready_i,
    .data_o
  );

endmodule

`default_nettype wire
