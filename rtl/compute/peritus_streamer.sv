// SPDX-License-Identifier: Apache-2.0
// Issues the token vectors of a GEMM, one per cycle, pass after pass, in the loop order that the loader follows:
//
//   for nb in n_tiles: for kb in k_tiles: for row in count: issue(row, kb, nb)
//
// A pass begins when its tile is in the shadow (tile_ready_i) and the pass before has lasted MIN_PASS cycles.
// An instruction with wait_stream begins when every earlier result has been written (retire_i counts them down).

`default_nettype none

module peritus_streamer
  import peritus_pkg::*;
  import peritus_core_pkg::*;
(
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       gemm_valid_i,
  output logic       gemm_ready_o,
  input  gemm_t      gemm_i,
  input  logic       tile_ready_i,
  output logic       tile_taken_o,
  output issue_t     issue_o,
  input  logic       retire_i,       // one result word written
  output logic       idle_o,         // nothing issued or in flight
  output logic       stall_weight_o, // waiting for a tile
  output logic       stall_wait_o,   // waiting for earlier results
  output logic [7:0] state_o
);

  localparam int unsigned GAP_W = $clog2(MIN_PASS + 1);

  gemm_t gemm_q;
  logic running_q;
  logic [COUNT_W-1:0] row_q;
  logic [7:0] kb_q, nb_q;
  // Row row_q is the first one, the last one: known a cycle ahead, for all that follows hangs on them.
  logic first_row_q, last_row_q;
  logic one_row_q;
  logic [COUNT_W-1:0] last_but_one_q;
  logic [7:0] last_kb_q, last_nb_q;  // numbers, so that nothing is subtracted on the way to go
  logic [11:0] stream_keys_q;  // keys from this kb on
  logic [11:0] score_keys_q;  // keys from this nb on
  logic [GAP_W-1:0] gap_q;  // cycles until the next pass may begin
  logic gap_over_q;  // gap_q is zero: a register, for all that follows hangs on it too
  logic [7:0] in_flight_q;  // results issued and not yet written
  issue_t issue_q;

  exec_instr_t instr;
  assign instr = gemm_q.instr;

  logic last_kb, last_nb, go, accept, drained;
  assign last_kb = kb_q == last_kb_q;
  assign last_nb = nb_q == last_nb_q;
  assign go = running_q && (!first_row_q || (tile_ready_i && gap_over_q));
  assign drained = in_flight_q == '0;
  // The last token of an instruction lets the next one in without a bubble.
  assign gemm_ready_o = (!running_q || (go && last_row_q && last_kb && last_nb))
                      && (!gemm_i.instr.wait_stream || (drained && !running_q));
  assign accept = gemm_valid_i && gemm_ready_o;

  assign tile_taken_o = go && first_row_q;
  assign issue_o = issue_q;
  assign idle_o = !running_q && drained;
  assign stall_weight_o = running_q && first_row_q && !tile_ready_i;
  assign stall_wait_o = !running_q && gemm_valid_i && !gemm_ready_o;
  assign state_o = {4'd0, drained, first_row_q, running_q, tile_ready_i};

  always_ff @(posedge clk_i) begin
    if (go) begin
      row_q <= last_row_q ? '0 : row_q + 1'b1;
      first_row_q <= last_row_q;
      last_row_q <= last_row_q ? one_row_q : row_q == last_but_one_q;
      if (last_row_q) begin
        kb_q <= last_kb ? 8'd0 : kb_q + 8'd1;
        stream_keys_q <= last_kb ? instr.keys : stream_keys_q - 12'(PK);
        if (last_kb) begin
          nb_q <= nb_q + 8'd1;
          score_keys_q <= score_keys_q - 12'(PN);
          if (last_nb) running_q <= 1'b0;
        end
      end
    end
    if (tile_taken_o) gap_q <= GAP_W'(MIN_PASS - 1);
    else if (gap_q != '0) gap_q <= gap_q - 1'b1;
    gap_over_q <= tile_taken_o ? MIN_PASS == 1 : gap_q <= GAP_W'(1);

    if (accept) begin
      gemm_q <= gemm_i;
      last_but_one_q <= gemm_i.count - COUNT_W'(2);
      one_row_q <= gemm_i.count == COUNT_W'(1);
      first_row_q <= 1'b1;
      last_row_q <= gemm_i.count == COUNT_W'(1);
      last_kb_q <= gemm_i.instr.k_tiles - 8'd1;
      last_nb_q <= gemm_i.instr.n_tiles - 8'd1;
      running_q <= 1'b1;
      row_q <= '0;
      kb_q <= '0;
      nb_q <= '0;
      stream_keys_q <= gemm_i.instr.keys;
      score_keys_q <= gemm_i.instr.keys;
    end
    if (!rst_ni) begin
      running_q <= 1'b0;
      gap_q <= '0;
      gap_over_q <= 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    in_flight_q <= in_flight_q + 8'(go && last_kb) - 8'(retire_i);
    if (!rst_ni) in_flight_q <= '0;
  end

  always_ff @(posedge clk_i) begin
    issue_q.token.valid <= go;
    if (go) begin
      issue_q.token.first_k <= kb_q == 8'd0;
      issue_q.token.last_k <= last_kb;
      issue_q.token.first_n <= nb_q == 8'd0;
      issue_q.token.swap <= first_row_q;
      issue_q.token.row <= TOKEN_W'(row_q);
      issue_q.token.lanes <= (score_keys_q < 12'(PN)) ? LANES_W'(score_keys_q) : LANES_W'(PN);
      issue_q.token.from_scores <= instr.stream_src == STREAM_SCORES;
      issue_q.token.fn <= instr.fn;
      issue_q.token.scale2 <= instr.scale2;
      issue_q.token.shift2 <= instr.shift2;
      issue_q.token.dst <= instr.dst;
      issue_q.gather <= instr.stream_src == STREAM_ACT_GATHER;
      issue_q.scatter <= instr.scatter;
      issue_q.expert <= EXPERT_W'(instr.expert);
      issue_q.src_base <= instr.src_base + 20'(kb_q);
      issue_q.src_stride <= instr.src_stride;
      issue_q.dst_base <= instr.dst_base + 16'(nb_q);
      issue_q.dst_stride <= instr.dst_stride;
      issue_q.keys <= (stream_keys_q < 12'(PK)) ? LANES_W'(stream_keys_q) : LANES_W'(PK);
      // Looked up later (operand_fetch).
      issue_q.token.token <= TOKEN_W'(row_q) + (instr.dst == DST_ROUTER ? TOKEN_W'(instr.dst_base) : '0);
      issue_q.token.score <= '0;
      issue_q.token.dst_addr <= '0;
    end
    if (!rst_ni) issue_q.token.valid <= 1'b0;
  end

endmodule

`default_nettype wire
