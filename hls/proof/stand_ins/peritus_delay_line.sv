// SPDX-License-Identifier: Apache-2.0
// In place of rtl/common/peritus_delay_line.sv: the proof drives what comes out.

`default_nettype none

module peritus_delay_line #(
  parameter int unsigned Width = 8,
  parameter int unsigned Stages = 1
) (
  input  logic             clk_i,
  input  logic             en_i,
  input  logic [Width-1:0] data_i,
  output logic [Width-1:0] data_o
);
endmodule

`default_nettype wire
