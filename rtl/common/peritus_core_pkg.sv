// SPDX-License-Identifier: Apache-2.0
// Records that travel between the blocks of the core.

`default_nettype none

package peritus_core_pkg;
  import peritus_pkg::*;

  localparam int unsigned LANES_W = $clog2(PN + 1);

  // A GEMM on its way to the tile loader and the streamer; count replaces tokens (queue length of an expert).
  typedef struct packed {
    logic [COUNT_W-1:0] count;
    exec_instr_t        instr;
  } gemm_t;

  // What accompanies one streamed token vector from the streamer to the write-back.
  typedef struct packed {
    logic               valid;
    logic               first_k;      // accumulators start from zero
    logic               last_k;       // the sum is complete: epilogue
    logic               first_n;      // first output word of the row: row maxima restart
    logic               swap;         // first token of a pass: stationary operands change
    logic [TOKEN_W-1:0] row;          // position in the pass: accumulator, row maximum and row sum address
    logic [TOKEN_W-1:0] token;        // token of the router
    logic [15:0]        score;        // Q1.15 routing score
    logic [15:0]        dst_addr;     // destination word
    logic [LANES_W-1:0] lanes;        // valid lanes of a score word
    logic               from_scores;  // streamed operand goes through the exp lookup
    fn_e                fn;
    scale2_e            scale2;
    logic [5:0]         shift2;
    dst_e               dst;
  } token_t;

  // One token vector as the streamer issues it: what is still to be looked up and computed is beside the token.
  typedef struct packed {
    token_t              token;
    logic                gather;      // source row is queued
    logic                scatter;     // destination row is queued
    logic [EXPERT_W-1:0] expert;
    logic [19:0]         src_base;    // slice of row 0, kb included
    logic [11:0]         src_stride;
    logic [15:0]         dst_base;    // word of row 0, nb included
    logic [11:0]         dst_stride;
    logic [LANES_W-1:0]  keys;        // valid keys of a score slice
  } issue_t;
endpackage

`default_nettype wire
