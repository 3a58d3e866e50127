// SPDX-License-Identifier: Apache-2.0
// On-chip address of every beat of a LOAD_IMAGE or STORE, in the order of the image in DDR:
//
//   for y in n0: for s in n1: for x in n2: for i in n3:
//     chunk = s * n3 + i
//     word  = base + (y * n2 + x) * stride + chunk / ChunksPerWord;  sub = chunk % ChunksPerWord
//
// so that a row of patches, which is contiguous in the image, is scattered to (or gathered from) one token per patch.
// start_i loads base, stride and counts; step_i moves on; outputs belong to the present beat. No multiplier.

`default_nettype none

module peritus_patch_walker #(
  parameter int unsigned AddrW = 10,
  parameter int unsigned ChunksPerWord = 1,
  localparam int unsigned SubW = (ChunksPerWord > 1) ? $clog2(ChunksPerWord) : 1
) (
  input  logic             clk_i,
  input  logic             start_i,
  input  logic [AddrW-1:0] base_i,
  input  logic [AddrW-1:0] stride_i,
  input  logic [11:0]      n0_i,
  input  logic [7:0]       n1_i,
  input  logic [11:0]      n2_i,
  input  logic [7:0]       n3_i,
  input  logic             step_i,
  output logic [AddrW-1:0] word_o,
  output logic [SubW-1:0]  sub_o,
  output logic             last_o
);

  logic [2:0] wrap;
  logic [AddrW-1:0] stride_q;
  logic [AddrW-1:0] token_q;  // first word of the present token
  logic [AddrW-1:0] row_q;  // first word of token x = 0 of this y
  logic [15:0] chunk_q;  // s * n3 + i
  logic [15:0] row_chunk_q;  // s * n3

  peritus_loop_nest u_loops (
    .clk_i,
    .start_i,
    .n0_i,
    .n1_i,
    .n2_i,
    .n3_i,
    .step_i,
    .wrap_o(wrap),
    .last_o
  );

  assign word_o = token_q + AddrW'(chunk_q / 16'(ChunksPerWord));
  assign sub_o  = SubW'(chunk_q % 16'(ChunksPerWord));

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      stride_q    <= stride_i;
      token_q     <= base_i;
      row_q       <= base_i;
      chunk_q     <= '0;
      row_chunk_q <= '0;
    end else if (step_i) begin
      if (wrap[2]) begin  // next y
        token_q     <= token_q + stride_q;
        row_q       <= token_q + stride_q;
        chunk_q     <= '0;
        row_chunk_q <= '0;
      end else if (wrap[1]) begin  // next s: back to the row's first token
        token_q     <= row_q;
        chunk_q     <= chunk_q + 1'b1;
        row_chunk_q <= chunk_q + 1'b1;
      end else if (wrap[0]) begin  // next x
        token_q <= token_q + stride_q;
        chunk_q <= row_chunk_q;
      end else begin
        chunk_q <= chunk_q + 1'b1;
      end
    end
  end

endmodule

`default_nettype wire
