// SPDX-License-Identifier: Apache-2.0
// CRC-32 of bytes (IEEE 802.3, as zlib.crc32): reflected polynomial 0xEDB88320, start value all ones.
// crc_o is the register before the final inversion, one cycle after the byte; clear_i wins.

`default_nettype none

module peritus_crc32
  import peritus_link_pkg::*;
(
  input  logic        clk_i,
  input  logic        clear_i,
  input  logic        valid_i,
  input  logic [7:0]  data_i,
  output logic [31:0] crc_o
);

  localparam logic [31:0] POLYNOMIAL = 32'hedb8_8320;

  function automatic logic [31:0] next(logic [31:0] crc, logic [7:0] data);
    next = crc ^ {24'd0, data};
    for (int i = 0; i < 8; i++) next = {1'b0, next[31:1]} ^ (next[0] ? POLYNOMIAL : 32'd0);
  endfunction

  always_ff @(posedge clk_i) begin
    if (clear_i) crc_o <= CRC_INIT;
    else if (valid_i) crc_o <= next(crc_o, data_i);
  end

endmodule

`default_nettype wire
