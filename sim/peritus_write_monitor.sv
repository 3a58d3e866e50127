// SPDX-License-Identifier: Apache-2.0
// Reports every write into an on-chip memory to the harness (sim/write_trace.hpp). Simulation only: bound
// beside the write port of a memory (sim/trace_bind.sv), so that the RTL itself knows nothing of it.

`default_nettype none

module peritus_write_monitor #(
  parameter int unsigned Memory = 0,   // number of the memory in peritus.arch.memories
  parameter int unsigned Width = 64,   // bits of a word
  parameter int unsigned AddrW = 8,
  parameter int unsigned EnableW = 1   // parts of a word with a write enable of their own
) (
  input logic               clk_i,
  input logic               we_i,
  input logic [AddrW-1:0]   waddr_i,
  input logic [EnableW-1:0] enable_i,
  input logic [Width-1:0]   wdata_i
);

  localparam int unsigned MaxWidth = 2048;  // one DPI signature for all memories
  if (Width > MaxWidth || EnableW > 64 || AddrW > 31) begin : gen_illegal
    $fatal(1, "write_monitor: Width, EnableW or AddrW is too large");
  end

  import "DPI-C" function void peritus_trace_write(
    input int memory,
    input int address,
    input bit [63:0] enable,
    input bit [MaxWidth-1:0] data,
    input int bits
  );

  always_ff @(posedge clk_i) begin
    if (we_i) peritus_trace_write(Memory, 32'(waddr_i), 64'(enable_i), MaxWidth'(wdata_i), Width);
  end

endmodule

`default_nettype wire
