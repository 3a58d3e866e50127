// SPDX-License-Identifier: Apache-2.0
// The multipliers of peritus_mac with Ratio = 2: DSP48E2 slices at twice the fabric's clock, each for two rows.
//
//   p_o[g][m] = sum over rows k of group g of (w[k][m + HALF] * 2^19 + w[k][m]) * x[k]
//
// A chain of Cascade slices serves groups g (first half of a fabric cycle) and g + Groups / 2 (second half). The shadow is
// in the fabric, packed when it is written: low byte, and the high byte less the low one's borrow; a slice takes both of
// its rows at the swap, into A and D (peritus_mac_double_slice.sv).
//
// Fast cycles from the x_i of a fabric cycle t, that is x_i and swap_i here in cycles 2t and 2t+1, position c:
//   2t     choose the row of the first half      2t+1+c  swap: A, D load           2t+5+c  P
//   2t+1   choose that of the second half        2t+2+c  B1, modes: A or D         2t+13   held; both halves leave in 2t+14
//
// Edges of clk_i are edges of clk2x_i (one MMCM). From the shadow to A and D the path has a fast cycle at least; to and
// from everything else registers of one clock lie at both ends of each net. Latency: 7 cycles of clk_i.

`default_nettype none

module peritus_mac_double #(
  parameter int unsigned Groups = 2,
  parameter int unsigned Cascade = 8,
  parameter int unsigned Channels = 8,
  parameter int unsigned LoadRows = 2,
  localparam int unsigned FIELD_W = 19,
  localparam int unsigned ROWS = Groups * Cascade,
  localparam int unsigned MULTIPLIERS = Channels / 2,
  localparam int unsigned CHAINS = Groups / 2,
  localparam int unsigned P_W = 2 * FIELD_W
) (
  input  logic                                   clk_i,
  input  logic                                   clk2x_i,
  input  logic                                   rst_ni,
  // stationary operands, behind the registers of peritus_mac's edge: rows, or one column
  input  logic [ROWS-1:0]                        row_we_i,
  input  logic [LoadRows-1:0][Channels-1:0][7:0] row_data_i,
  input  logic [Channels-1:0]                    col_we_i,
  input  logic [ROWS-1:0][7:0]                   col_data_i,
  // token stream, two registers behind peritus_mac's ports
  input  logic                                   swap_i,
  input  logic signed [8:0]                      x_i [ROWS],
  output logic signed [P_W-1:0]                  p_o [Groups][MULTIPLIERS]
);

  if (Cascade % 2 != 0) begin : gen_illegal_cascade
    $fatal(1, "mac_double: Cascade = %0d, must be even: both halves leave in one fabric cycle", Cascade);
  end

  // ---- the shadow, packed ----
  logic [7:0] low_q[ROWS][MULTIPLIERS], high_q[ROWS][MULTIPLIERS];
  logic [LoadRows-1:0][MULTIPLIERS-1:0][7:0] row_high;  // less the borrow
  logic [ROWS-1:0][7:0] col_less_one;
  always_comb begin
    for (int r = 0; r < int'(LoadRows); r++) begin
      for (int m = 0; m < int'(MULTIPLIERS); m++) begin
        row_high[r][m] = row_data_i[r][m+int'(MULTIPLIERS)] - 8'(row_data_i[r][m][7]);
      end
    end
    for (int k = 0; k < int'(ROWS); k++) col_less_one[k] = col_data_i[k] - 8'd1;
  end

  for (genvar k = 0; k < int'(ROWS); k++) begin : gen_shadow
    for (genvar m = 0; m < int'(MULTIPLIERS); m++) begin : gen_pair
      always_ff @(posedge clk_i) begin
        if (row_we_i[k] || col_we_i[m]) begin
          low_q[k][m] <= row_we_i[k] ? row_data_i[k%LoadRows][m] : col_data_i[k];
        end
        if (row_we_i[k] || col_we_i[m+MULTIPLIERS]) begin
          high_q[k][m] <= row_we_i[k] ? row_high[k%LoadRows][m]
                        : low_q[k][m][7] ? col_less_one[k] : col_data_i[k];
        end
      end
    end
  end

  // ---- which half of a fabric cycle it is ----
  logic toggle_q, seen_q, second_q;
  always_ff @(posedge clk_i) begin
    toggle_q <= !toggle_q;
    if (!rst_ni) toggle_q <= 1'b0;
  end
  always_ff @(posedge clk2x_i) begin
    seen_q   <= toggle_q;
    second_q <= toggle_q != seen_q;
  end

  // ---- operands, modes and the swap on their way down the chains ----
  logic signed [8:0] x_q[Cascade][CHAINS];  // [position][chain], delayed by the position
  logic [Cascade-1:0] swap_q, use_d_q;
  always_ff @(posedge clk2x_i) begin
    swap_q <= Cascade'({swap_q, swap_i && !second_q});
    // In the half in which position 0 chooses the first of its rows, A is to be used three fast cycles later.
    for (int c = 0; c < int'(Cascade); c++) use_d_q[c] <= second_q ^ c[0];
  end

  for (genvar g = 0; g < int'(CHAINS); g++) begin : gen_chain
    for (genvar c = 0; c < int'(Cascade); c++) begin : gen_operand
      localparam int unsigned FIRST = c * Groups + g;
      logic signed [8:0] delay_q[c+1];
      always_ff @(posedge clk2x_i) begin
        delay_q[0] <= second_q ? x_i[FIRST+CHAINS] : x_i[FIRST];
        for (int i = 1; i <= c; i++) delay_q[i] <= delay_q[i-1];
      end
      assign x_q[c][g] = delay_q[c];
    end

    for (genvar m = 0; m < int'(MULTIPLIERS); m++) begin : gen_pair
      logic [47:0] p[Cascade+1];
      logic [P_W-1:0] held_q;
      assign p[0] = '0;
      for (genvar c = 0; c < int'(Cascade); c++) begin : gen_position
        localparam int unsigned FIRST = c * Groups + g;
        peritus_mac_double_slice #(
          .First(c == 0),
          .Last (c == Cascade - 1)
        ) u_slice (
          .clk2x_i,
          .swap_i  (swap_q[c]),
          .use_d_i (use_d_q[c]),
          .a_high_i(high_q[FIRST][m]),
          .a_low_i (low_q[FIRST][m]),
          .d_high_i(high_q[FIRST+CHAINS][m]),
          .d_low_i (low_q[FIRST+CHAINS][m]),
          .x_i     (x_q[c][g]),
          .p_i     (p[c]),
          .p_o     (p[c+1])
        );
      end
      always_ff @(posedge clk2x_i) held_q <= p[Cascade][P_W-1:0];
      always_ff @(posedge clk_i) begin
        p_o[g][m]        <= signed'(held_q);
        p_o[g+CHAINS][m] <= signed'(p[Cascade][P_W-1:0]);
      end
    end
  end

endmodule

`default_nettype wire
