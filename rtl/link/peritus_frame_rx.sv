// SPDX-License-Identifier: Apache-2.0
// Finds frames in the received bytes: removes flags and stuffing, checks the CRC (format: peritus_link_pkg, docs/link.md).
//
// valid_o: a byte between two flags, the CRC's four included; end_o: the frame is over, ok_o: its CRC is right.
// Both are pulses. Bytes before the first flag after enable_i has risen belong to a frame that has been missed and are
// dropped; flags in a row are no frame.

`default_nettype none

module peritus_frame_rx
  import peritus_link_pkg::*;
(
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       enable_i,
  // from the line
  input  logic       valid_i,
  input  logic [7:0] data_i,
  // frames
  output logic       valid_o,
  output logic [7:0] data_o,
  output logic       end_o,
  output logic       ok_o
);

  logic inside_q, any_q, escaped_q, flag, escape;
  logic [31:0] crc;

  assign flag    = valid_i && data_i == FLAG;
  assign escape  = valid_i && data_i == ESCAPE;
  assign valid_o = valid_i && !flag && !escape && inside_q;
  assign data_o  = escaped_q ? data_i ^ ESCAPE_XOR : data_i;
  assign end_o   = flag && any_q;
  assign ok_o    = crc == CRC_RESIDUE && !escaped_q;

  peritus_crc32 u_crc (
    .clk_i,
    .clear_i(flag),
    .valid_i(valid_o),
    .data_i (data_o),
    .crc_o  (crc)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni || !enable_i) begin
      inside_q  <= 1'b0;
      any_q     <= 1'b0;
      escaped_q <= 1'b0;
    end else if (valid_i) begin
      inside_q  <= inside_q || flag;
      any_q     <= !flag && inside_q;
      escaped_q <= escape && inside_q;
    end
  end

endmodule

`default_nettype wire
