// SPDX-License-Identifier: Apache-2.0
// On-chip memory of Banks x BANK_WORDS words of 64 bits. One operation per cycle, reads answered after Banks + 1.
// A chain of memory_bank: a shift register for operations, another for data. Meant for FPGAs whose block RAM lies in
// rows across the whole chip, where one wide multiplexer would be slow.

`default_nettype none

module peritus_chain_memory
  import peritus_link_pkg::BANK_WORDS;
#(
  parameter int unsigned Banks = 5,
  localparam int unsigned AddrW = $clog2(Banks * BANK_WORDS)
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             valid_i,
  input  logic             we_i,
  input  logic [AddrW-1:0] addr_i,   // below Banks * BANK_WORDS
  input  logic [63:0]      wdata_i,
  output logic             rvalid_o,
  output logic [63:0]      rdata_o
);

  localparam int unsigned BankW = AddrW - $clog2(BANK_WORDS);

  logic [Banks:0] valid, we;
  logic [Banks:0][AddrW-1:0] addr;
  logic [Banks:0][63:0] wdata, data;

  assign valid[0] = valid_i;
  assign we[0]    = we_i;
  assign addr[0]  = addr_i;
  assign wdata[0] = wdata_i;
  assign data[0]  = '0;

  for (genvar i = 0; i < int'(Banks); i++) begin : gen_bank
    peritus_memory_bank #(
      .Index(i),
      .BankW(BankW)
    ) u_bank (
      .clk_i,
      .rst_ni,
      .valid_i(valid[i]),
      .we_i   (we[i]),
      .addr_i (addr[i]),
      .wdata_i(wdata[i]),
      .data_i (data[i]),
      .valid_o(valid[i+1]),
      .we_o   (we[i+1]),
      .addr_o (addr[i+1]),
      .wdata_o(wdata[i+1]),
      .data_o (data[i+1])
    );
  end

  assign rdata_o = data[Banks];

  always_ff @(posedge clk_i) rvalid_o <= rst_ni && valid[Banks] && !we[Banks];

endmodule

`default_nettype wire
