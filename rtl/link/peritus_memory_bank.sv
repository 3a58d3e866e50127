// SPDX-License-Identifier: Apache-2.0
// One bank of the on-chip memory and its stage of the two pipelines that connect the banks (chain_memory).
//
// Operations pass from bank to bank, one stage each; the bank whose Index they name carries them out. Data of reads
// follow one cycle behind their operation: data_i of an operation at op_i is valid one cycle later, and data_o likewise
// with respect to op_o. So all wires are short, however many banks there are.
//
// For synthesis the content is a mark by which the build finds, in the finished design, the block RAM of every single bit
// and puts a bundle in its place (peritus.eda.ecp5.image): column j of rows 0..10 is the number 64 * Index + j,
// rows 11..63 are those bits of MARK. For simulation +image=FOLDER gives the content (FOLDER/bank<Index>.hex).

`default_nettype none

module peritus_memory_bank
  import peritus_link_pkg::BANK_WORDS;
#(
  parameter int unsigned Index = 0,
  parameter int unsigned BankW = 3,
  localparam int unsigned AddrW = $clog2(BANK_WORDS)
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   valid_i,
  input  logic                   we_i,
  input  logic [BankW+AddrW-1:0] addr_i,
  input  logic [63:0]            wdata_i,
  input  logic [63:0]            data_i,
  output logic                   valid_o,
  output logic                   we_o,
  output logic [BankW+AddrW-1:0] addr_o,
  output logic [63:0]            wdata_o,
  output logic [63:0]            data_o
);

  logic mine, mine_q;
  logic [63:0] read_q;

  (* ram_style = "block", no_rw_check *) logic [63:0] mem[BANK_WORDS];

  assign mine = valid_i && 32'(addr_i[AddrW+:BankW]) == Index;

`ifdef SYNTHESIS
  localparam int unsigned NUMBER_ROWS = 11;
  localparam int unsigned MARK_ROWS = 64;
  localparam logic [63:0] MARK = 64'h9e37_79b9_7f4a_7c15;

  function automatic logic [63:0] mark(int unsigned row);
    for (int unsigned j = 0; j < 64; j++) begin
      mark[j] = (row < NUMBER_ROWS) ? 1'((64 * Index + j) >> row) : MARK[row];
    end
  endfunction

  initial begin
    for (int unsigned row = 0; row < MARK_ROWS; row++) mem[row] = mark(row);
  end
`else
  string folder;
  initial begin
    if ($value$plusargs("image=%s", folder)) $readmemh($sformatf("%s/bank%0d.hex", folder, Index), mem);
  end
`endif

  always_ff @(posedge clk_i) begin
    if (mine) begin
      if (we_i) mem[addr_i[AddrW-1:0]] <= wdata_i;
      else read_q <= mem[addr_i[AddrW-1:0]];
    end
    mine_q  <= mine;
    data_o  <= mine_q ? read_q : data_i;
    valid_o <= valid_i && rst_ni;
    we_o    <= we_i;
    addr_o  <= addr_i;
    wdata_o <= wdata_i;
  end

endmodule

`default_nettype wire
