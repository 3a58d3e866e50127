// SPDX-License-Identifier: Apache-2.0
// In place of rtl/common/peritus_normalize.sv: the proof drives its outputs.

`default_nettype none

module peritus_normalize #(
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
  assign valid_o = valid_i;
endmodule

`default_nettype wire
