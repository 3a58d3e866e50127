// SPDX-License-Identifier: Apache-2.0
// Weight-stationary array of PK x PN int8 multiply-accumulates.
//
//   sum_o[n] = sum over k of active[k][n] * x_i[k]
//
// x_i: PK operands, 9-bit signed (int8 activations or uint8 probabilities), one token vector per cycle. peritus_mac.sv has the
// multipliers and the stationary operands, and says when these may be rewritten. With Pack, output channels n and
// n + PN/2 share one multiplier: (w_hi * 2^19 + w_lo) * x; the low 19 bits hold the sum of up to 8 products
// (|8 * 127 * 255| < 2^18), and the high half is corrected by the low half's borrow.
//
// Dsp48e2: instantiate the multipliers (they always hold two channels) instead of describing them. Same results.
//
// Latency: peritus_latency_pkg::mac_array_latency cycles from x_i to sum_o, fully pipelined.

`default_nettype none

module peritus_mac_array
  import peritus_pkg::*;
  import peritus_latency_pkg::*;
  import peritus_mac_pkg::*;
#(
  parameter bit Dsp48e2 = 1'b0,
  parameter bit Pack = bit'(PACK_MACS) || Dsp48e2
) (
  input  logic                 clk_i,
  input  logic                 clk2x_i,      // with DSP_RATIO 2
  input  logic                 rst_ni,
  // stationary rows (weights, values): up to ROWS_PER_WORD per cycle
  input  logic                 row_we_i,
  input  logic [2:0]           row_count_i,
  input  logic [$clog2(PK)-1:0] row_i,
  input  logic [ROWS_PER_WORD-1:0][PN-1:0][7:0] row_data_i,
  // stationary columns (keys): one per cycle
  input  logic                 col_we_i,
  input  logic [$clog2(PN)-1:0] col_i,
  input  logic [PK-1:0][7:0]   col_data_i,
  // token stream
  input  logic                 swap_i,
  input  logic signed [8:0]    x_i [PK],
  output logic signed [21:0]   sum_o [PN]
);

  // peritus_mac, then split and group sum.
  if (mac_stage(DSP_RATIO, CASCADE - 1) + 7 != mac_array_latency(DSP_RATIO)) begin : gen_latency
    $error("mac_array: peritus_latency_pkg says %0d cycles", mac_array_latency(DSP_RATIO));
  end

  localparam int unsigned GROUPS = PK / CASCADE;
  localparam int unsigned FIELD_W = 19;  // low half: CASCADE products of |127 * 255|
  localparam int unsigned MULTIPLIERS = Pack ? PN / 2 : PN;
  localparam int unsigned P_W = Pack ? 2 * FIELD_W : FIELD_W;

  logic signed [P_W-1:0] p[GROUPS][MULTIPLIERS];

  peritus_mac #(
    .Groups  (GROUPS),
    .Cascade (CASCADE),
    .Channels(PN),
    .Pack    (Pack),
    .Dsp48e2 (Dsp48e2),
    .LoadRows(ROWS_PER_WORD),
    .Ratio   (DSP_RATIO)
  ) u_mac (
    .clk_i,
    .clk2x_i,
    .rst_ni,
    .row_we_i,
    .row_count_i,
    .row_i,
    .row_data_i,
    .col_we_i,
    .col_i,
    .col_data_i,
    .swap_i,
    .x_i,
    .p_o(p)
  );

  // Sum of one group: CASCADE products per channel.
  logic signed [FIELD_W-1:0] group_sum[GROUPS][PN];

  if (Pack) begin : gen_pack
    always_ff @(posedge clk_i) begin
      for (int g = 0; g < int'(GROUPS); g++) begin
        for (int m = 0; m < int'(MULTIPLIERS); m++) begin
          group_sum[g][m] <= signed'(p[g][m][FIELD_W-1:0]);
          group_sum[g][m+int'(MULTIPLIERS)] <= signed'(p[g][m][2*FIELD_W-1:FIELD_W])
                                             + FIELD_W'({1'b0, p[g][m][FIELD_W-1]});
        end
      end
    end
  end else begin : gen_plain
    always_ff @(posedge clk_i) group_sum <= p;
  end

  // Add the groups, one register.
  always_ff @(posedge clk_i) begin
    for (int n = 0; n < int'(PN); n++) begin
      logic signed [21:0] total;
      total = '0;
      for (int g = 0; g < int'(GROUPS); g++) total += 22'(group_sum[g][n]);
      sum_o[n] <= total;
    end
  end

endmodule

`default_nettype wire
