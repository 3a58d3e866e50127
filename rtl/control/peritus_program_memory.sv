// SPDX-License-Identifier: Apache-2.0
// Program memory: exec instructions (32 bytes) and fetch entries (8 bytes), written beat by beat as they come from DDR.
//
// Each table is made of AXI_BYTES wide memories. Exec beat b is part b mod EXEC_BEATS of instruction b / EXEC_BEATS;
// fetch beat b holds entries b * ENTRIES .. b * ENTRIES + ENTRIES - 1. Reads take two cycles.

`default_nettype none

module peritus_program_memory
  import peritus_pkg::*;
(
  input  logic                   clk_i,
  // one beat of either table
  input  logic                   we_i,
  input  logic                   we_fetch_i,     // fetch table, else exec
  input  logic [15:0]            wbeat_i,
  input  logic [AXI_BYTES*8-1:0] wdata_i,
  // exec instructions
  input  logic                   exec_re_i,
  input  logic [PROGRAM_AW-1:0]  exec_raddr_i,
  output exec_instr_t            exec_rdata_o,
  // fetch entries
  input  logic                   fetch_re_i,
  input  logic [FETCH_AW-1:0]    fetch_raddr_i,
  output fetch_entry_t           fetch_rdata_o
);

  localparam int unsigned BEAT_W = AXI_BYTES * 8;
  localparam int unsigned EXEC_BEATS = $bits(exec_instr_t) / BEAT_W;
  localparam int unsigned ENTRIES = BEAT_W / $bits(fetch_entry_t);
  localparam int unsigned FETCH_BEATS = (FETCH_DEPTH + ENTRIES - 1) / ENTRIES;
  localparam int unsigned FETCH_BEAT_AW = (FETCH_BEATS > 1) ? $clog2(FETCH_BEATS) : 1;

  for (genvar b = 0; b < int'(EXEC_BEATS); b++) begin : gen_exec
    peritus_ram_1r1w #(
      .Width(BEAT_W),
      .Depth(PROGRAM_DEPTH),
      .Style("block")
    ) u_ram (
      .clk_i,
      .we_i   (we_i && !we_fetch_i && wbeat_i % 16'(EXEC_BEATS) == 16'(b)),
      .waddr_i(PROGRAM_AW'(wbeat_i / 16'(EXEC_BEATS))),
      .wdata_i,
      .re_i   (exec_re_i),
      .raddr_i(exec_raddr_i),
      .rdata_o(exec_rdata_o[b*BEAT_W+:BEAT_W])
    );
  end

  logic [ENTRIES-1:0][$bits(fetch_entry_t)-1:0] entries;

  peritus_ram_1r1w #(
    .Width(BEAT_W),
    .Depth(FETCH_BEATS),
    .Style("block")
  ) u_fetch (
    .clk_i,
    .we_i   (we_i && we_fetch_i),
    .waddr_i(FETCH_BEAT_AW'(wbeat_i)),
    .wdata_i,
    .re_i   (fetch_re_i),
    .raddr_i(FETCH_BEAT_AW'(fetch_raddr_i / FETCH_AW'(ENTRIES))),
    .rdata_o(entries)
  );

  if (ENTRIES == 1) begin : gen_single
    assign fetch_rdata_o = fetch_entry_t'(entries);
  end else begin : gen_select
    localparam int unsigned SUB_W = $clog2(ENTRIES);
    logic [1:0][SUB_W-1:0] sub_q;  // the entry's place in its beat, along with the read
    always_ff @(posedge clk_i) sub_q <= {sub_q[0], fetch_raddr_i[SUB_W-1:0]};
    assign fetch_rdata_o = fetch_entry_t'(entries[sub_q[1]]);
  end

endmodule

`default_nettype wire
