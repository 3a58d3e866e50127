// SPDX-License-Identifier: Apache-2.0
// Rows of a tile in a weight word: what the tile loader writes into the array, as a function, so that it can be proved.

`default_nettype none

package peritus_weight_pkg;
  import peritus_pkg::*;

  // Row `row` of a weight word: of two rows of bytes, or of four of nibbles, the first of two in the low half of a byte.
  function automatic logic [PN-1:0][7:0] weight_row(logic [2*PN*8-1:0] word, int unsigned row, logic is_int4);
    for (int unsigned n = 0; n < PN; n++) begin
      weight_row[n] = is_int4 ? 8'(signed'(word[4*(row*PN+n)+:4])) : word[8*((row%2)*PN+n)+:8];
    end
  endfunction
endpackage

`default_nettype wire
