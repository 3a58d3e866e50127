// SPDX-License-Identifier: Apache-2.0
// Weight-stationary array of PK x PN int8 multiply-accumulates.
//
//   sum_o[n] = sum over k of active[k][n] * x_i[k]
//
// x_i: PK operands, 9-bit signed (int8 activations or uint8 probabilities), one token vector per cycle.
// Stationary operands are double buffered: rows are written into the shadow; swap_i with a token vector makes
// the shadow active for that token and all later ones. Row k = position * GROUPS + group, and the swap reaches
// position p after p cycles: a row may be rewritten in cycle max(1, p) after the swap or later, a column after CASCADE
// cycles. Rows in ascending order, at most GROUPS per cycle, follow the swap down the cascade without waiting.
//
// Each group of CASCADE rows is a systolic chain (one DSP column): the partial sum moves one position per
// cycle, operands are delayed to meet it. With Pack, output channels n and n + PN/2 share one multiplier:
// (w_hi * 2^19 + w_lo) * x; the low 19 bits hold up to CASCADE products (|8 * 127 * 255| < 2^18), and the
// high half is corrected by the low half's borrow.
//
// Latency: core_pkg::MAC_LATENCY cycles from x_i to sum_o, fully pipelined.

module mac_array
  import peritus_pkg::*;
#(
  parameter bit Pack = bit'(PACK_MACS)
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  // stationary rows (weights, values): up to two per cycle
  input  logic                 row_we_i,
  input  logic                 row_two_i,                    // row_i and row_i + 1
  input  logic [$clog2(PK)-1:0] row_i,
  input  logic [2*PN-1:0][7:0] row_data_i,
  // stationary columns (keys): one per cycle
  input  logic                 col_we_i,
  input  logic [$clog2(PN)-1:0] col_i,
  input  logic [PK-1:0][7:0]   col_data_i,
  // token stream
  input  logic                 swap_i,
  input  logic signed [8:0]    x_i [PK],
  output logic signed [21:0]   sum_o [PN]
);

  localparam int unsigned GROUPS = PK / CASCADE;
  localparam int unsigned FIELD_W = 19;  // low half: CASCADE products of |127 * 255|

  // Sum of one group: CASCADE products.
  logic signed [FIELD_W-1:0] group_sum [GROUPS][PN];

  logic signed [7:0] shadow [PK][PN];

  always_ff @(posedge clk_i) begin
    if (row_we_i) begin
      for (int n = 0; n < int'(PN); n++) shadow[row_i][n] <= row_data_i[n];
    end
    if (row_we_i && row_two_i) begin
      for (int n = 0; n < int'(PN); n++) shadow[row_i | 1][n] <= row_data_i[int'(PN)+n];
    end
    if (col_we_i) begin
      for (int k = 0; k < int'(PK); k++) shadow[k][col_i] <= col_data_i[k];
    end
  end

  // Operands and the swap, delayed to each cascade position.
  logic signed [8:0] x_q [CASCADE][PK];  // [position][row]; only rows of positions >= index are used
  logic [CASCADE-1:0] swap_q;

  always_ff @(posedge clk_i) begin
    swap_q <= {swap_q[CASCADE-2:0], swap_i};
    if (!rst_ni) swap_q <= '0;
  end

  always_ff @(posedge clk_i) begin
    for (int k = 0; k < int'(PK); k++) x_q[0][k] <= x_i[k];
    for (int c = 1; c < int'(CASCADE); c++) begin
      for (int k = c * int'(GROUPS); k < int'(PK); k++) x_q[c][k] <= x_q[c-1][k];
    end
  end

  if (Pack) begin : gen_pack
    localparam int unsigned HALF = PN / 2;
    logic signed [26:0] active [PK][HALF];
    logic signed [47:0] p_q [CASCADE][GROUPS][HALF];

    for (genvar c = 0; c < int'(CASCADE); c++) begin : gen_pos
      always_ff @(posedge clk_i) begin
        if (c == 0 ? swap_i : swap_q[(c+CASCADE-1)%CASCADE]) begin
          for (int g = 0; g < int'(GROUPS); g++) begin
            for (int m = 0; m < int'(HALF); m++) begin
              active[c*int'(GROUPS)+g][m] <= (27'(shadow[c*int'(GROUPS)+g][m+int'(HALF)]) <<< FIELD_W)
                                           + 27'(shadow[c*int'(GROUPS)+g][m]);
            end
          end
        end
      end
      always_ff @(posedge clk_i) begin
        for (int g = 0; g < int'(GROUPS); g++) begin
          for (int m = 0; m < int'(HALF); m++) begin
            p_q[c][g][m] <= (c == 0 ? 48'sd0 : p_q[(c+CASCADE-1)%CASCADE][g][m])
                          + 48'(active[c*int'(GROUPS)+g][m]) * 48'(x_q[c][c*int'(GROUPS)+g]);
          end
        end
      end
    end
    always_ff @(posedge clk_i) begin
      for (int g = 0; g < int'(GROUPS); g++) begin
        for (int m = 0; m < int'(HALF); m++) begin
          group_sum[g][m] <= signed'(p_q[CASCADE-1][g][m][FIELD_W-1:0]);
          group_sum[g][m+int'(HALF)] <= signed'(p_q[CASCADE-1][g][m][2*FIELD_W-1:FIELD_W])
                                 + FIELD_W'({1'b0, p_q[CASCADE-1][g][m][FIELD_W-1]});
        end
      end
    end
  end else begin : gen_plain
    logic signed [7:0] active [PK][PN];
    logic signed [FIELD_W-1:0] p_q [CASCADE][GROUPS][PN];

    for (genvar c = 0; c < int'(CASCADE); c++) begin : gen_pos
      always_ff @(posedge clk_i) begin
        if (c == 0 ? swap_i : swap_q[(c+CASCADE-1)%CASCADE]) begin
          for (int g = 0; g < int'(GROUPS); g++) active[c*int'(GROUPS)+g] <= shadow[c*int'(GROUPS)+g];
        end
      end
      always_ff @(posedge clk_i) begin
        for (int g = 0; g < int'(GROUPS); g++) begin
          for (int n = 0; n < int'(PN); n++) begin
            p_q[c][g][n] <= (c == 0 ? FIELD_W'(0) : p_q[(c+CASCADE-1)%CASCADE][g][n])
                          + FIELD_W'(active[c*int'(GROUPS)+g][n]) * FIELD_W'(x_q[c][c*int'(GROUPS)+g]);
          end
        end
      end
    end
    always_ff @(posedge clk_i) group_sum <= p_q[CASCADE-1];
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
