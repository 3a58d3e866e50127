// SPDX-License-Identifier: Apache-2.0
// peritus_mac.sv twice, as behaviour and from DSP48E2 models, under the same stimuli: counts the cycles in which they differ.
//
//   tiles 0 ..       every pair of weights within +-127, PAIRS per tile, one row at a time (the others are 0), meets 16
//                    operands; each product is compared with its value too
//   the next         every pair of the weights 0, +-1, +-127 meets every operand -128 .. 255 in every row, likewise
//   CORNER_TILES     those weights and operands -128, -1, 0, 127, 255 at random in all rows: largest sums
//   ANY_TILES        any bytes, rows, columns and swaps in any cycle

`default_nettype none

module mac_equivalence #(
  parameter int unsigned Ratio = 1  // as in peritus_mac; one group of rows, or two
);
  localparam int PAIRS = 8;  // more of them build longer than they save cycles
  localparam int CHANNELS = 2 * PAIRS;
  localparam int CASCADE = 8;
  localparam int GROUPS = int'(Ratio);
  localparam int ROWS = GROUPS * CASCADE;
  localparam int LOAD = ROWS / 2;  // cycles of loading a tile
  localparam int WEIGHTS = 255;
  localparam int ALL_WEIGHTS_END = (WEIGHTS * WEIGHTS + PAIRS - 1) / PAIRS;
  localparam int FEW = 5 * 5;  // pairs
  localparam int ALL_OPERANDS_END = ALL_WEIGHTS_END + ROWS * ((FEW + PAIRS - 1) / PAIRS);
  localparam int CORNER_END = ALL_OPERANDS_END + 400;
  localparam int ANY_END = CORNER_END + 400;
  localparam int LATENCY = (Ratio == 1) ? 12 : 9;
  localparam logic signed [8:0] OPERANDS[16] = '{
      -128,
      -127,
      -65,
      -2,
      -1,
      0,
      1,
      2,
      63,
      64,
      85,
      126,
      127,
      128,
      254,
      255
  };
  localparam logic signed [7:0] CORNERS[5] = '{-127, -1, 0, 1, 127};
  localparam logic signed [8:0] CORNER_OPERANDS[5] = '{-128, -1, 0, 127, 255};

  // Both clocks in one variable, which changes at once: they rise together.
  logic quarter_i, clk, clk2x, rst_ni;
  logic [1:0] clocks_q = '0;
  always_ff @(posedge quarter_i) clocks_q <= clocks_q - 1'b1;
  assign {clk, clk2x} = clocks_q;
  logic done_o;
  int products_o, cycles_o, differences_o, wrong_o;

  localparam int LOAD_ROWS = 4;
  logic row_we, col_we, swap;
  logic [2:0] row_count;
  typedef logic [$clog2(CHANNELS)-1:0] col_t;
  typedef logic [$clog2(ROWS)-1:0] row_t;
  col_t col;
  row_t row;
  logic pair_begun;
  logic [5:0] swaps_q;  // still on their way down the cascade
  always_ff @(posedge clk) swaps_q <= {swaps_q[4:0], swap};
  assign pair_begun = col_we && col < col_t'(PAIRS);
  logic [LOAD_ROWS-1:0][CHANNELS-1:0][7:0] row_data;
  logic [ROWS-1:0][7:0] col_data;
  logic signed [8:0] x[ROWS];
  logic signed [37:0] behaviour[GROUPS][PAIRS], slices[GROUPS][PAIRS];

  peritus_mac #(
    .Groups  (GROUPS),
    .Cascade (CASCADE),
    .Ratio   (Ratio),
    .Channels(CHANNELS),
    .Pack    (1'b1),
    .Dsp48e2 (1'b0),
    .LoadRows(LOAD_ROWS)
  ) u_behaviour (
    .clk_i      (clk),
    .clk2x_i    (clk2x),
    .rst_ni,
    .row_we_i   (row_we),
    .row_count_i(row_count),
    .row_i      (row),
    .row_data_i (row_data),
    .col_we_i   (col_we),
    .col_i      (col),
    .col_data_i (col_data),
    .swap_i     (swap),
    .x_i        (x),
    .p_o        (behaviour)
  );
  peritus_mac #(
    .Groups  (GROUPS),
    .Cascade (CASCADE),
    .Ratio   (Ratio),
    .Channels(CHANNELS),
    .Pack    (1'b1),
    .Dsp48e2 (1'b1),
    .LoadRows(LOAD_ROWS)
  ) u_slices (
    .clk_i      (clk),
    .clk2x_i    (clk2x),
    .rst_ni,
    .row_we_i   (row_we),
    .row_count_i(row_count),
    .row_i      (row),
    .row_data_i (row_data),
    .col_we_i   (col_we),
    .col_i      (col),
    .col_data_i (col_data),
    .swap_i     (swap),
    .x_i        (x),
    .p_o        (slices)
  );

  // Two rows are written in each of cycles 0..LOAD-1 of a tile; the swap and the first operand come in cycle LOAD.
  int tile_q, cycle_q, sweep;
  always_comb begin
    sweep = 16;
    if (tile_q >= ALL_WEIGHTS_END && tile_q < ALL_OPERANDS_END) sweep = 384;
    if (tile_q >= ALL_OPERANDS_END) sweep = 100;
  end
  assign done_o = tile_q >= ANY_END;

  int few;  // first of this tile's pairs
  assign few = (tile_q - ALL_WEIGHTS_END) / ROWS * PAIRS;
  logic signed [7:0] low[PAIRS], high[PAIRS];  // of this tile
  always_ff @(posedge clk) begin
    if (cycle_q == 0) begin
      for (int m = 0; m < PAIRS; m++) begin
        if (tile_q < ALL_WEIGHTS_END) begin
          low[m] <= 8'((tile_q * PAIRS + m) % WEIGHTS - 127);
          high[m] <= 8'((tile_q * PAIRS + m) / WEIGHTS % WEIGHTS - 127);
        end else begin
          low[m] <= CORNERS[(few+m)%5];
          high[m] <= CORNERS[(few+m)/5%5];
        end
      end
    end
  end

  always_ff @(posedge clk) begin
    cycle_q <= cycle_q + 1;
    if (cycle_q == LOAD + 1 + sweep + LATENCY) begin
      cycle_q <= 0;
      tile_q <= tile_q + 1;
    end
    row_count <= 3'd2;
    col_we <= 1'b0;
    if (tile_q < CORNER_END) begin
      row_we <= cycle_q >= 1 && cycle_q < LOAD + 1;
      row <= row_t'(2 * (cycle_q - 1));
      swap <= cycle_q == LOAD + 1;
      for (int r = 0; r < LOAD_ROWS; r++) begin
        for (int n = 0; n < CHANNELS; n++) begin
          if (tile_q >= ALL_OPERANDS_END) row_data[r][n] <= CORNERS[$urandom%5];
          else if ((cycle_q - 1) / 2 * LOAD_ROWS + r != tile_q % ROWS) row_data[r][n] <= 8'd0;
          else row_data[r][n] <= (n < PAIRS) ? low[n%PAIRS] : high[n%PAIRS];
        end
      end
      for (int k = 0; k < ROWS; k++) begin
        if (tile_q >= ALL_OPERANDS_END) x[k] <= CORNER_OPERANDS[((cycle_q%8==0)?cycle_q : $urandom)%5];
        else if (tile_q >= ALL_WEIGHTS_END) x[k] <= 9'(cycle_q - LOAD - 1 - 128);
        else x[k] <= OPERANDS[(cycle_q-LOAD-1)&15];
      end
    end else begin
      row_we <= $urandom % 3 == 0;
      row <= row_t'($urandom << 1);
      if ($urandom % 2 == 0) begin
        row_count <= 3'd1;
        row <= row_t'($urandom);
      end else if ($urandom % 2 == 0) begin
        row_count <= 3'd4;
        row <= row_t'($urandom << 2);
      end
      if (Ratio == 1) begin
        swap <= $urandom % 4 == 0;
        col <= col_t'($urandom);
        if ($urandom % 2 == 0) begin
          row_we <= 1'b0;
          col_we <= 1'b1;
        end
      end else begin
        // A column of a lower channel is followed by the upper one with which it shares a multiplier, and no swap meets the two.
        swap <= !pair_begun && $urandom % 8 == 0;
        col <= pair_begun ? col + col_t'(PAIRS) : col_t'($urandom) & col_t'(PAIRS - 1);
        if (pair_begun) begin
          row_we <= 1'b0;
          col_we <= 1'b1;
        end else if (!swap && swaps_q == '0 && $urandom % 2 == 0) begin
          row_we <= 1'b0;
          col_we <= 1'b1;
          swap <= 1'b0;
        end
      end
      for (int k = 0; k < ROWS; k++) col_data[k] <= 8'($urandom);
      for (int r = 0; r < LOAD_ROWS; r++) begin
        for (int n = 0; n < CHANNELS; n++) row_data[r][n] <= 8'($urandom);
      end
      for (int k = 0; k < ROWS; k++) x[k] <= 9'($urandom);
    end
    if (!rst_ni) begin
      tile_q <= 0;
      cycle_q <= 0;
      row_we <= 1'b0;
      swap <= 1'b0;
    end
  end

  // x of cycle c is in x[] in c + 1; nothing to compare before the first tile has come through.
  int since, expected_x;
  assign since = cycle_q - LOAD - 2 - LATENCY;
  assign expected_x = (tile_q < ALL_WEIGHTS_END) ? 32'(OPERANDS[since&15]) : since - 128;
  always_ff @(posedge clk) begin
    if ((tile_q != 0 || since >= 0) && !done_o) begin
      cycles_o <= cycles_o + 1;
      for (int m = 0; m < PAIRS; m++) begin
        for (int g = 0; g < GROUPS; g++) begin
          if (behaviour[g][m] != slices[g][m]) differences_o <= differences_o + 1;
        end
      end
    end
    if (tile_q < ALL_OPERANDS_END && since >= 0 && since < sweep) begin
      products_o <= products_o + 2 * PAIRS;
      for (int m = 0; m < PAIRS; m++) begin
        for (int g = 0; g < GROUPS; g++) begin
          if (behaviour[g][m] != ((g == tile_q % GROUPS)
                                  ? 38'(expected_x) * (38'(high[m]) * 38'sd524288 + 38'(low[m])) : 38'sd0))
            wrong_o <= wrong_o + 1;
        end
      end
    end
    if (!rst_ni) begin
      products_o <= 0;
      cycles_o <= 0;
      differences_o <= 0;
      wrong_o <= 0;
    end
  end

endmodule

`default_nettype wire
