// SPDX-License-Identifier: Apache-2.0
// Receives bytes from a serial line: 8 data bits, least significant first, no parity, one stop bit.
//
// Each bit is sampled once, in its middle as counted from the edge of the start bit; with a bit of N clocks that
// allows the two sides' clocks to differ by about 4 %. A byte is delivered in the middle of its stop bit; valid_o is a
// pulse. A start bit that has gone by its middle, and a byte without a stop bit, are ignored: frames have checksums.

`default_nettype none

module peritus_uart_rx #(
  parameter int unsigned ClocksPerBit = 25
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       rx_i,     // asynchronous
  output logic       valid_o,
  output logic [7:0] data_o
);

  if (ClocksPerBit < 4) begin : gen_check
    $error("uart_rx: ClocksPerBit = %0d, must be at least 4", ClocksPerBit);
  end

  localparam int unsigned COUNT_W = $clog2(ClocksPerBit);
  localparam logic [COUNT_W-1:0] WHOLE = COUNT_W'(ClocksPerBit - 1);
  localparam logic [COUNT_W-1:0] HALF = COUNT_W'((ClocksPerBit - 1) / 2);
  localparam logic [3:0] START = 4'd0;
  localparam logic [3:0] STOP = 4'd9;

  logic meta_q, line_q, busy_q, sample;
  logic [COUNT_W-1:0] clocks_q;
  logic [3:0] bit_q;

  assign sample = busy_q && clocks_q == 0;

  always_ff @(posedge clk_i) begin
    meta_q <= rx_i;
    line_q <= meta_q;
    if (sample && bit_q != STOP) data_o <= {line_q, data_o[7:1]};
    clocks_q <= !busy_q ? HALF : sample ? WHOLE : clocks_q - 1'b1;
    valid_o  <= sample && bit_q == STOP && line_q;
    if (!busy_q) begin
      busy_q <= !line_q;
      bit_q  <= START;
    end else if (sample) begin
      bit_q <= bit_q + 1'b1;
      if ((bit_q == START && line_q) || bit_q == STOP) busy_q <= 1'b0;
    end
    if (!rst_ni) begin
      meta_q  <= 1'b1;
      line_q  <= 1'b1;
      busy_q  <= 1'b0;
      valid_o <= 1'b0;
    end
  end

endmodule

`default_nettype wire
