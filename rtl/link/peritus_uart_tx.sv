// SPDX-License-Identifier: Apache-2.0
// Sends bytes over a serial line: 8 data bits, least significant first, no parity, one stop bit.
// A byte is accepted when the one before it has been sent; without bytes the line rests at 1.

`default_nettype none

module peritus_uart_tx #(
  parameter int unsigned ClocksPerBit = 25
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       valid_i,
  output logic       ready_o,
  input  logic [7:0] data_i,
  output logic       tx_o
);

  localparam int unsigned COUNT_W = $clog2(ClocksPerBit);
  localparam logic [COUNT_W-1:0] WHOLE = COUNT_W'(ClocksPerBit - 1);
  localparam logic [3:0] BITS = 4'd10;  // start, data, stop

  logic [COUNT_W-1:0] clocks_q;
  logic [3:0] left_q;
  logic [8:0] shift_q;  // the bit on the line, then those to come

  assign ready_o = left_q == 0;

  always_ff @(posedge clk_i) begin
    tx_o <= shift_q[0];
    if (ready_o) begin
      clocks_q <= WHOLE;
      if (valid_i) begin
        left_q  <= BITS;
        shift_q <= {data_i, 1'b0};
      end
    end else if (clocks_q == 0) begin
      clocks_q <= WHOLE;
      left_q   <= left_q - 1'b1;
      shift_q  <= {1'b1, shift_q[8:1]};
    end else begin
      clocks_q <= clocks_q - 1'b1;
    end
    if (!rst_ni) begin
      left_q  <= '0;
      shift_q <= '1;
      tx_o    <= 1'b1;
    end
  end

endmodule

`default_nettype wire
