// SPDX-License-Identifier: Apache-2.0
// The position table as a stream: Prefix rows that no patch makes, then sat16(position + patch), one beat per cycle.
//
// File: words of Lanes int16 positions, first channel in the low bits, Rows rows of Channels values; the first Prefix of
// them leave as they are. Reference: peritus.reference.residual_add.

`default_nettype none

module peritus_finn_embed #(
  parameter int unsigned Lanes = 4,
  parameter int unsigned Channels = 16,
  parameter int unsigned Rows = 17,
  parameter int unsigned Prefix = 1,
  parameter string       File = ""
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   valid_i,
  output logic                   ready_o,
  input  logic [Lanes-1:0][15:0] data_i,
  output logic                   valid_o,
  input  logic                   ready_i,
  output logic [Lanes-1:0][15:0] data_o
);

  localparam int unsigned BEATS = Rows * Channels / Lanes;
  localparam int unsigned OWN = Prefix * Channels / Lanes;  // beats without a patch
  localparam int unsigned BEAT_W = $clog2(BEATS + 1);

  logic own, ready, take, taken_q, unused_ready, unused_ready_b;
  logic [BEAT_W-1:0] beat_q;
  logic [Lanes-1:0][15:0] patch_q, position;

  assign own = 32'(beat_q) < OWN;
  assign ready_o = ready && !own;

  always_ff @(posedge clk_i) begin
    if (take) begin
      beat_q  <= (32'(beat_q) == BEATS - 1) ? '0 : beat_q + BEAT_W'(1);
      patch_q <= own ? '0 : data_i;
    end
    taken_q <= take;
    if (!rst_ni) begin
      beat_q  <= '0;
      taken_q <= 1'b0;
    end
  end

  peritus_finn_rom #(
    .Width(16 * Lanes),
    .Depth(BEATS),
    .File (File)
  ) u_rom (
    .clk_i,
    .re_i  (take),
    .addr_i(($clog2(BEATS))'(beat_q)),
    .data_o(position)
  );

  logic sum_valid;
  logic [Lanes-1:0][15:0] sum;

  peritus_finn_add #(
    .Lanes(Lanes)
  ) u_add (
    .clk_i,
    .rst_ni,
    .a_valid_i(taken_q),
    .a_ready_o(unused_ready),
    .a_data_i (position),
    .b_valid_i(taken_q),
    .b_ready_o(unused_ready_b),
    .b_data_i (patch_q),
    .valid_o  (sum_valid),
    .ready_i  (1'b1),
    .data_o   (sum)
  );

  peritus_finn_flow #(
    .Width(16 * Lanes),
    .Depth(5)
  ) u_flow (
    .clk_i,
    .rst_ni,
    .valid_i       (own || valid_i),
    .ready_o       (ready),
    .take_o        (take),
    .result_valid_i(sum_valid),
    .result_i      (sum),
    .valid_o,
    .ready_i,
    .data_o
  );

endmodule

`default_nettype wire
