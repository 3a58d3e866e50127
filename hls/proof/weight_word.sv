// SPDX-License-Identifier: Apache-2.0
// Rows of a weight word: two of int8, four of int4.

`default_nettype none

module proof_weight_rows
  import peritus_pkg::*;
  import peritus_weight_pkg::*;
(
  input  logic [1:0][63:0] word,
  input  logic             is_int4,
  output logic             assumed,
  output logic [3:0]       differ
);
  logic [3:0][PN-1:0][7:0] int8, int4;
  model_int8_row0 u_int8_row0 (word[0], word[1], int8[0]);
  model_int8_row1 u_int8_row1 (word[0], word[1], int8[1]);
  model_int4_row0 u_int4_row0 (word[0], word[1], int4[0]);
  model_int4_row1 u_int4_row1 (word[0], word[1], int4[1]);
  model_int4_row2 u_int4_row2 (word[0], word[1], int4[2]);
  model_int4_row3 u_int4_row3 (word[0], word[1], int4[3]);
  assign int8[3:2] = int8[1:0];  // the slots of a word's rows come round
  for (genvar r = 0; r < 4; r++) begin : gen_row
    assign differ[r] = weight_row(word, r, is_int4) != (is_int4 ? int4[r] : int8[r]);
  end
  assign assumed = 1'b1;
endmodule

`default_nettype wire
