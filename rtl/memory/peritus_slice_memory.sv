// SPDX-License-Identifier: Apache-2.0
// Memory of words of PN lanes, written by the word and read by the slice of PK lanes: the read port costs PK lanes of
// bandwidth whatever PN is.
//
// Banks of ChunkLanes lanes (ChunkLanes divides PK) with one write enable each; slice_addr = word * SLICES + slice.
// Read latency: 3 cycles (memory 2, slice select 1).

`default_nettype none

module peritus_slice_memory
  import peritus_pkg::*;
#(
  parameter  int unsigned LaneW = 8,
  parameter  int unsigned ChunkLanes = PK,
  parameter  int unsigned Words = 1024,
  parameter  string       Style = "auto",
  localparam int unsigned CHUNKS = PN / ChunkLanes,
  localparam int unsigned AddrW = $clog2(Words),
  localparam int unsigned SliceAddrW = $clog2(Words * SLICES)
) (
  input  logic                         clk_i,
  input  logic                         we_i,
  input  logic [CHUNKS-1:0]            be_i,
  input  logic [AddrW-1:0]             waddr_i,
  input  logic [PN-1:0][LaneW-1:0]     wdata_i,
  input  logic                         re_i,
  input  logic [SliceAddrW-1:0]        slice_addr_i,
  output logic [PK-1:0][LaneW-1:0]     slice_o
);

  localparam int unsigned PER_SLICE = PK / ChunkLanes;
  localparam int unsigned SELECT_W = SliceAddrW - AddrW;
  localparam int unsigned SELECT_BITS = (SELECT_W > 0) ? SELECT_W : 1;

  logic [CHUNKS-1:0][ChunkLanes*LaneW-1:0] rdata;
  logic [SELECT_BITS-1:0] select, select_q[2];
  logic [1:0] re_q;

  if (SELECT_W > 0) begin : gen_select
    assign select = slice_addr_i[SELECT_BITS-1:0];
  end else begin : gen_whole
    assign select = '0;
  end

  for (genvar c = 0; c < int'(CHUNKS); c++) begin : gen_bank
    peritus_ram_1r1w #(
      .Width(ChunkLanes * LaneW),
      .Depth(Words),
      .Style(Style)
    ) u_ram (
      .clk_i,
      .we_i   (we_i && be_i[c]),
      .waddr_i,
      .wdata_i(wdata_i[c*int'(ChunkLanes)+:ChunkLanes]),
      .re_i   (re_i && 32'(select) == c / PER_SLICE),
      .raddr_i(slice_addr_i[SliceAddrW-1-:AddrW]),
      .rdata_o(rdata[c])
    );
  end

  always_ff @(posedge clk_i) begin
    re_q <= {re_q[0], re_i};
    select_q[0] <= select;
    select_q[1] <= select_q[0];
    if (re_q[1]) slice_o <= rdata[select_q[1]*PER_SLICE+:PER_SLICE];
  end

endmodule

`default_nettype wire
