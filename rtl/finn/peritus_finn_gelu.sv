// SPDX-License-Identifier: Apache-2.0
// GELU or ReLU as a stream: one beat of Lanes values in Q.8 per cycle, int InW -> int16.
//
// Reference: peritus.reference.activation.ACTIVATIONS. Latency: ACTIVATION_LATENCY and one cycle of the FIFO.

`default_nettype none

module peritus_finn_gelu
  import peritus_latency_pkg::*;
#(
  parameter int unsigned Lanes = 4,
  parameter int unsigned InW = 24,  // 17 to 24
  parameter bit          Gelu = 1'b1
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  input  logic                      valid_i,
  output logic                      ready_o,
  input  logic [Lanes-1:0][InW-1:0] data_i,
  output logic                      valid_o,
  input  logic                      ready_i,
  output logic [Lanes-1:0][   15:0] data_o
);

  logic take, result_valid;
  logic signed [InW-1:0] y[Lanes], g[Lanes];
  logic [Lanes-1:0][15:0] result;

  always_comb begin
    for (int l = 0; l < int'(Lanes); l++) begin
      y[l] = signed'(data_i[l]);
      result[l] = g[l][15:0];
    end
  end

  peritus_activation #(
    .Lanes(Lanes),
    .Width(InW)
  ) u_activation (
    .clk_i,
    .rst_ni,
    .valid_i(take),
    .relu_i (1'b1),
    .gelu_i (Gelu),
    .y_i    (y),
    .valid_o(result_valid),
    .g_o    (g)
  );

  peritus_finn_flow #(
    .Width(16 * Lanes),
    .Depth(ACTIVATION_LATENCY + 2)
  ) u_flow (
    .clk_i,
    .rst_ni,
    .valid_i,
    .ready_o,
    .take_o        (take),
    .result_valid_i(result_valid),
    .result_i      (result),
    .valid_o,
    .ready_i,
    .data_o
  );

  if (InW < 17 || InW > 24) begin : gen_check
    $error("finn_gelu: InW = %0d, 17 to 24", InW);
  end

endmodule

`default_nettype wire
