// SPDX-License-Identifier: Apache-2.0
// The function between the stages of requantization, one per lane: ReLU, GELU in Q.8 (ReLU minus a small even correction
// from a table), or a pass through.
//
//   relu_i = 1:              x = sat16(y),  g = max(x, 0)
//   relu_i = 1, gelu_i = 1:  x = sat16(y),  g = max(x, 0) - (|x| < 1024 ? GELU_DELTA[|x| >> 1] : 0)
//   relu_i = 0:              g = y
//
// Reference: peritus.reference.activation. Latency: ACTIVATION_LATENCY, one vector per cycle: saturate; magnitude and
// ReLU; table; subtract. relu_i, gelu_i belong to the vector that enters with them. Registers hold while their stage is
// not valid, unless ALWAYS_LOAD.

`default_nettype none

module peritus_activation
  import peritus_latency_pkg::*;
  import peritus_pipeline_pkg::*;
  import peritus_tables_pkg::*;
#(
  parameter int unsigned Lanes = 8,
  parameter int unsigned Width = 24
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic                    valid_i,
  input  logic                    relu_i,  // alone: ReLU
  input  logic                    gelu_i,  // with relu_i: GELU
  input  logic signed [Width-1:0] y_i [Lanes],
  output logic                    valid_o,
  output logic signed [Width-1:0] g_o [Lanes]
);

  localparam logic signed [15:0] MAXIMUM = 16'sh7fff;

  logic signed [Width-1:0] x_q[Lanes];  // saturated input, or y
  logic signed [Width-1:0] relu_q[Lanes], minuend_q[Lanes];  // max(x, 0), or y
  logic [8:0] index_q[Lanes];
  logic near_q[Lanes];  // GELU of |x| < 1024: the correction is not zero
  logic [5:0] delta_q[Lanes];
  logic [ACTIVATION_LATENCY-1:0] valid_q;
  logic relu_sel_q, gelu_sel_q;

  always_ff @(posedge clk_i) begin
    if (ALWAYS_LOAD || valid_i) begin
      for (int l = 0; l < int'(Lanes); l++) begin
        x_q[l] <= (!relu_i || y_i[l][Width-1:15] == {(Width - 15) {y_i[l][Width-1]}}) ? y_i[l]
                : y_i[l][Width-1] ? Width'(~MAXIMUM) : Width'(MAXIMUM);
      end
    end
    if (ALWAYS_LOAD || valid_q[0]) begin
      for (int l = 0; l < int'(Lanes); l++) begin
        relu_q[l]  <= (relu_sel_q && x_q[l][Width-1]) ? '0 : x_q[l];
        // |x| >> 1 for |x| < 1024; -x = ~x + 1 carries past bit 0 only if that is 0.
        index_q[l] <= x_q[l][Width-1] ? ~x_q[l][9:1] + 9'(!x_q[l][0]) : x_q[l][9:1];
        // -1024 has the sign bits of a near value but none below.
        near_q[l]  <= gelu_sel_q && x_q[l][Width-1:10] == {(Width - 10) {x_q[l][Width-1]}}
                   && !(x_q[l][Width-1] && x_q[l][9:0] == '0);
      end
    end
    if (ALWAYS_LOAD || valid_q[1]) begin
      for (int l = 0; l < int'(Lanes); l++) begin
        minuend_q[l] <= relu_q[l];
        delta_q[l]   <= near_q[l] ? GELU_DELTA[index_q[l]] : '0;
      end
    end
    if (ALWAYS_LOAD || valid_q[2]) begin
      for (int l = 0; l < int'(Lanes); l++) g_o[l] <= minuend_q[l] - Width'(delta_q[l]);
    end
    relu_sel_q <= relu_i;
    gelu_sel_q <= gelu_i;
  end

  always_ff @(posedge clk_i) begin
    valid_q <= {valid_q[ACTIVATION_LATENCY-2:0], valid_i};
    if (!rst_ni) valid_q <= '0;
  end

  assign valid_o = valid_q[ACTIVATION_LATENCY-1];

endmodule

`default_nettype wire
