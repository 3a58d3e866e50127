// SPDX-License-Identifier: Apache-2.0
// Holds the words of tokens until their statistics are known, then sends both on together.
//
// Words enter one per cycle at most, n_tiles_i per token. stats_valid_i releases the oldest token; its words leave
// in consecutive cycles, before the next statistics can arrive, each with the statistics and its number block_o.
//
// Latency: NORM_REPLAY_LATENCY from stats_valid_i to the first word. start_i empties the memory.

`default_nettype none

module peritus_norm_replay
  import peritus_latency_pkg::*;
#(
  parameter  int unsigned WordW = 128,
  parameter  int unsigned StatsW = 48,
  parameter  int unsigned Depth = 64,  // most words of a token, plus those that enter during norm_stats
  localparam int unsigned AddrW = $clog2(Depth)
) (
  input  logic              clk_i,
  input  logic              rst_ni,
  input  logic              start_i,
  input  logic [7:0]        n_tiles_i,
  input  logic              valid_i,
  input  logic [WordW-1:0]  word_i,
  input  logic              stats_valid_i,
  input  logic [StatsW-1:0] stats_i,
  output logic              valid_o,
  output logic [WordW-1:0]  word_o,
  output logic [StatsW-1:0] stats_o,
  output logic [7:0]        block_o
);

  localparam int unsigned READ_LATENCY = NORM_REPLAY_LATENCY - 1;

  typedef struct packed {
    logic [StatsW-1:0] stats;
    logic [7:0]        block;
  } tag_t;

  logic [AddrW-1:0] waddr_q, raddr_q;
  logic reading_q, last;
  tag_t tag_q;  // of the word being read
  logic [READ_LATENCY-1:0] valid_q;

  assign last = tag_q.block == n_tiles_i - 8'd1;

  always_ff @(posedge clk_i) begin
    if (valid_i) waddr_q <= waddr_q + AddrW'(1);
    if (reading_q) begin
      raddr_q <= raddr_q + AddrW'(1);
      tag_q.block <= tag_q.block + 8'd1;
      if (last) reading_q <= 1'b0;
    end
    if (stats_valid_i) begin
      reading_q <= 1'b1;
      tag_q <= '{stats: stats_i, block: '0};
    end
    if (start_i) begin
      waddr_q <= '0;
      raddr_q <= '0;
    end
    valid_q <= {valid_q[READ_LATENCY-2:0], reading_q};
    if (!rst_ni) begin
      reading_q <= 1'b0;
      valid_q <= '0;
    end
  end

  peritus_ram_1r1w #(
    .Width(WordW),
    .Depth(1 << AddrW)
  ) u_words (
    .clk_i,
    .we_i   (valid_i),
    .waddr_i(waddr_q),
    .wdata_i(word_i),
    .re_i   (reading_q),
    .raddr_i(raddr_q),
    .rdata_o(word_o)
  );

  peritus_delay_line #(
    .Width (StatsW + 8),
    .Stages(READ_LATENCY)
  ) u_tag (
    .clk_i,
    .en_i  (1'b1),
    .data_i(tag_q),
    .data_o({stats_o, block_o})
  );

  assign valid_o = valid_q[READ_LATENCY-1];

`ifndef SYNTHESIS
  assert property (@(posedge clk_i) disable iff (!rst_ni) stats_valid_i |-> !reading_q || last)
  else $error("norm_replay: statistics while %0d words of the last token wait", n_tiles_i - tag_q.block);
`endif

endmodule

`default_nettype wire
