// SPDX-License-Identifier: Apache-2.0
// ULX3S: pins, clock and reset around link_system.
//
// clk_25mhz -> PLL -> 50 MHz. The PLL's lock, synchronized and held for 16 cycles, is the reset. UART: 2 Mbaud to the
// FTDI chip, whose names are from its own point of view (ftdi_txd is our input).
// LEDs: 0 interrupt, 1 byte received, 2 memory access, 7 alive (on for 0.67 s in 1.34 s).

`default_nettype none

module peritus_ulx3s_top (
  input  logic       clk_25mhz,
  input  logic       ftdi_txd,
  output logic       ftdi_rxd,
  output logic [7:0] led,
  output logic       wifi_gpio0   // low would let the ESP32 take over the board
);

  localparam int unsigned CLOCKS_PER_BIT = 25;  // 50 MHz / 2 Mbaud
  localparam int unsigned BANKS = 5;  // 320 KB

  logic clk, locked;

  // VCO 25 MHz / 1 * 2 * 12 = 600 MHz, output / 12
  (* FREQUENCY_PIN_CLKI = "25", FREQUENCY_PIN_CLKOP = "50",
     ICP_CURRENT = "12", LPF_RESISTOR = "8", MFG_ENABLE_FILTEROPAMP = "1", MFG_GMCREF_SEL = "2" *)
  EHXPLLL #(
    .CLKI_DIV    (1),
    .CLKFB_DIV   (2),
    .CLKOP_DIV   (12),
    .CLKOP_ENABLE("ENABLED"),
    .CLKOP_CPHASE(5),
    .CLKOP_FPHASE(0),
    .FEEDBK_PATH ("CLKOP")
  ) u_pll (
    .CLKI        (clk_25mhz),
    .CLKFB       (clk),
    .CLKOP       (clk),
    .LOCK        (locked),
    .RST         (1'b0),
    .STDBY       (1'b0),
    .PHASESEL0   (1'b0),
    .PHASESEL1   (1'b0),
    .PHASEDIR    (1'b1),
    .PHASESTEP   (1'b1),
    .PHASELOADREG(1'b1),
    .PLLWAKESYNC (1'b0),
    .ENCLKOP     (1'b0)
  );

  // ---- reset ----
  logic [17:0] reset_q = '0;  // two stages of synchronizer, then the hold time

  always_ff @(posedge clk or negedge locked) begin
    if (!locked) reset_q <= '0;
    else reset_q <= {reset_q[16:0], 1'b1};
  end

  // ---- accelerator ----
  logic [2:0] activity;

  peritus_link_system #(
    .ClocksPerBit(CLOCKS_PER_BIT),
    .Banks       (BANKS)
  ) u_system (
    .clk_i     (clk),
    .rst_ni    (reset_q[17]),
    .rx_i      (ftdi_txd),
    .tx_o      (ftdi_rxd),
    .activity_o(activity)
  );

  // ---- lights: pulses stretched to what an eye sees ----
  logic [25:0] alive_q;
  logic [2:1] seen_q, shown_q;

  always_ff @(posedge clk) begin
    alive_q <= alive_q + 1'b1;
    seen_q  <= activity[2:1] | (alive_q[21:0] == 0 ? '0 : seen_q);
    if (alive_q[21:0] == 0) shown_q <= seen_q;
    led <= {alive_q[25], 4'd0, shown_q, activity[0]};
  end

  assign wifi_gpio0 = 1'b1;

endmodule

`default_nettype wire
