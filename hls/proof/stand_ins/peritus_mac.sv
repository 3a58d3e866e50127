// SPDX-License-Identifier: Apache-2.0
// In place of rtl/compute/peritus_mac.sv: the proof drives its sums.

`default_nettype none

module peritus_mac #(
  parameter int unsigned Groups = 1,
  parameter int unsigned Cascade = 8,
  parameter int unsigned Channels = 8,
  parameter bit Pack = 1'b1,
  parameter bit Dsp48e2 = 1'b0,
  parameter int unsigned LoadRows = 2,
  parameter int unsigned Ratio = 1,
  localparam int unsigned ROWS = Groups * Cascade,
  localparam int unsigned MULTIPLIERS = Channels / 2
) (
  input  logic                        clk_i,
  input  logic                        clk2x_i,
  input  logic                        rst_ni,
  input  logic                        row_we_i,
  input  logic [2:0]                  row_count_i,
  input  logic [$clog2(ROWS)-1:0]     row_i,
  input  logic [LoadRows-1:0][Channels-1:0][7:0] row_data_i,
  input  logic                        col_we_i,
  input  logic [$clog2(Channels)-1:0] col_i,
  input  logic [ROWS-1:0][7:0]        col_data_i,
  input  logic                        swap_i,
  input  logic signed [8:0]           x_i [ROWS],
  output logic signed [37:0]          p_o [Groups][MULTIPLIERS]
);
endmodule

`default_nettype wire
