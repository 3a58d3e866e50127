// SPDX-License-Identifier: Apache-2.0
// Requantization as a stream: bias, multiplier and shift by channel, one beat of Lanes channels per cycle.
//
//   y = sat_OutW(rhu((x + bias) multiplier, shift) + ZeroPoint)
//
// Rows of Channels values; a row's parameters are those of set index_data_i (with Sets > 1: one index per row, the expert).
// File: words of Lanes parameters {shift uint8, multiplier uint16, bias int32}, first channel in the low bits, sets one
// after the other. Reference: peritus.reference.requantize. Latency: 2 + REQUANTIZE_LATENCY and one cycle of the FIFO.

`default_nettype none

module peritus_finn_requant
  import peritus_latency_pkg::*;
#(
  parameter  int unsigned Lanes = 4,
  parameter  int unsigned InW = 24,
  parameter  int unsigned OutW = 8,
  parameter  int unsigned Channels = 16,
  parameter  int unsigned Sets = 1,
  parameter  int          ZeroPoint = 0,
  parameter string        File = "",
  localparam int unsigned IndexW = (Sets > 1) ? $clog2(Sets) : 1
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,
  input  logic                       valid_i,
  output logic                       ready_o,
  input  logic [Lanes-1:0][ InW-1:0] data_i,
  input  logic                       index_valid_i,
  output logic                       index_ready_o,
  input  logic [ IndexW-1:0]         index_data_i,
  output logic                       valid_o,
  input  logic                       ready_i,
  output logic [Lanes-1:0][OutW-1:0] data_o
);

  localparam int unsigned FOLDS = Channels / Lanes;
  localparam int unsigned ADDR_W = (Sets * FOLDS > 1) ? $clog2(Sets * FOLDS) : 1;
  localparam int unsigned BIASED_W = 27;
  // One more bit holds all that saturates only with the zero point.
  localparam int unsigned RESULT_W = OutW + ((ZeroPoint != 0) ? 1 : 0);
  localparam logic signed [OutW-1:0] MAXIMUM = {1'b0, {(OutW - 1) {1'b1}}};

  typedef struct packed {
    logic [7:0]  shift;
    logic [15:0] multiplier;
    logic [31:0] bias;
  } channel_t;

  logic offered, ready, take, last;
  logic [ADDR_W-1:0] fold_q;

  assign offered = valid_i && (Sets == 1 || index_valid_i);
  assign ready_o = ready && (Sets == 1 || index_valid_i);
  assign last = 32'(fold_q) == FOLDS - 1;
  assign index_ready_o = take && last;

  always_ff @(posedge clk_i) begin
    if (take) fold_q <= last ? '0 : fold_q + ADDR_W'(1);
    if (!rst_ni) fold_q <= '0;
  end

  // Parameters meet their values; then the bias.
  channel_t [Lanes-1:0] channel;
  logic [Lanes-1:0][InW-1:0] x_q;
  logic signed [BIASED_W-1:0] biased_q[Lanes];
  logic [15:0] multiplier_q[Lanes];
  logic [5:0] shift_q[Lanes];
  logic [1:0] valid_q;

  peritus_finn_rom #(
    .Width(56 * Lanes),
    .Depth(Sets * FOLDS),
    .File (File)
  ) u_rom (
    .clk_i,
    .re_i  (take),
    .addr_i((Sets == 1) ? fold_q : ADDR_W'(32'(index_data_i) * FOLDS + 32'(fold_q))),
    .data_o(channel)
  );

  always_ff @(posedge clk_i) begin
    if (take) x_q <= data_i;
    for (int l = 0; l < int'(Lanes); l++) begin
      biased_q[l] <= BIASED_W'(signed'(x_q[l])) + BIASED_W'(signed'(channel[l].bias));
      multiplier_q[l] <= channel[l].multiplier;
      shift_q[l] <= channel[l].shift[5:0];
    end
  end

  always_ff @(posedge clk_i) begin
    valid_q <= {valid_q[0], take};
    if (!rst_ni) valid_q <= '0;
  end

  logic result_valid;
  logic signed [RESULT_W-1:0] result[Lanes];
  logic [Lanes-1:0][OutW-1:0] result_packed;

  peritus_requantize #(
    .Lanes(Lanes),
    .InW  (BIASED_W),
    .OutW (RESULT_W)
  ) u_requantize (
    .clk_i,
    .rst_ni,
    .valid_i     (valid_q[1]),
    .value_i     (biased_q),
    .multiplier_i(multiplier_q),
    .shift_i     (shift_q),
    .valid_o     (result_valid),
    .value_o     (result)
  );

  if (ZeroPoint == 0) begin : gen_symmetric
    always_comb begin
      for (int l = 0; l < int'(Lanes); l++) result_packed[l] = result[l];
    end
  end else begin : gen_zero_point
    always_comb begin
      for (int l = 0; l < int'(Lanes); l++) begin
        logic signed [RESULT_W:0] y;
        y = (RESULT_W + 1)'(result[l]) + (RESULT_W + 1)'(ZeroPoint);
        result_packed[l] = (y[RESULT_W:OutW-1] == {(RESULT_W - OutW + 2) {y[RESULT_W]}}) ? y[OutW-1:0]
                         : y[RESULT_W] ? ~MAXIMUM : MAXIMUM;
      end
    end
  end

  peritus_finn_flow #(
    .Width(OutW * Lanes),
    .Depth(REQUANTIZE_LATENCY + 4)
  ) u_flow (
    .clk_i,
    .rst_ni,
    .valid_i       (offered),
    .ready_o       (ready),
    .take_o        (take),
    .result_valid_i(result_valid),
    .result_i      (result_packed),
    .valid_o,
    .ready_i,
    .data_o
  );

  if (Channels % Lanes != 0 || InW > BIASED_W) begin : gen_check
    $error(
        "finn_requant: Lanes = %0d must divide Channels = %0d, InW = %0d at most 27", Lanes, Channels, InW
    );
  end
  if (ZeroPoint > 2 ** (OutW - 1) || -ZeroPoint > 2 ** (OutW - 1)) begin : gen_check_zero_point
    $error("finn_requant: ZeroPoint = %0d is no integer of %0d bits", ZeroPoint, OutW);
  end

endmodule

`default_nettype wire
