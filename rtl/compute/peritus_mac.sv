// SPDX-License-Identifier: Apache-2.0
// The multipliers of the MAC array: ROWS = Cascade x Groups rows of Channels stationary int8 operands.
//
//   plain  p_o[g][n] = sum over rows k of group g of active[k][n] * x_i[k]
//   Pack   p_o[g][m] = sum over rows k of group g of (active[k][m + HALF] * 2^19 + active[k][m]) * x_i[k]
//
// Row k = position * Groups + group. Each group is a systolic chain (one DSP column) per multiplier: the partial sum
// moves one position per cycle, operands and swap are delayed to meet it.
//
// Stationary operands are double buffered: rows or a column are written into the shadow; swap_i makes it active for the
// x_i beside it and all later ones. The swap reaches position p after mac_stage(Ratio, p) + 1 cycles: a row of position p
// may be rewritten in that cycle after the swap or later, a column when that holds for all positions. Not rows and a
// column in one cycle. A column of the upper half of the channels comes after the one of the lower half with which it
// shares a multiplier (it may be left out).
//
// Ratio = 2: the multipliers' clock clk2x_i has twice the frequency of clk_i and its rising edges; a multiplier works for
// two rows. Ratio = 1: clk2x_i is not used.
//
// Dsp48e2 = 0: behaviour, for simulators and any FPGA, without clk2x_i. Dsp48e2 = 1: DSP48E2 slices, one for each pair of
// channels and row (mac_dsp48e2, in whose registers the shadow lives too) or two rows (mac_double). The same results in
// the same cycles.
//
// All that comes in is registered first: the array is as wide as the die, so nets from other blocks end at its edge, and
// rows and columns are enabled by a register each.
//
// Latency: mac_stage(Ratio, Cascade - 1) + 5 cycles from x_i to p_o (edge; operand; operand or active, product, Cascade
// sums), fully pipelined.

`default_nettype none

module peritus_mac
  import peritus_mac_pkg::*;
  import peritus_pipeline_pkg::*;
#(
  parameter int unsigned Groups = 1,
  parameter int unsigned Cascade = 8,
  parameter int unsigned Channels = 8,
  parameter bit Pack = 1'b1,
  parameter bit Dsp48e2 = 1'b0,
  parameter int unsigned LoadRows = 2,
  parameter int unsigned Ratio = 1,
  localparam int unsigned FIELD_W = 19,  // one channel's part of p: up to 8 products of |127 * 255|
  localparam int unsigned ROWS = Groups * Cascade,
  localparam int unsigned MULTIPLIERS = Pack ? Channels / 2 : Channels,
  localparam int unsigned P_W = Pack ? 2 * FIELD_W : FIELD_W
) (
  input  logic                        clk_i,
  input  logic                        clk2x_i,
  input  logic                        rst_ni,
  // stationary rows: row_i and those after it, 1, 2 or 4 of them, row_i a multiple of that; row k has its data in slot
  // k mod LoadRows
  input  logic                        row_we_i,
  input  logic [2:0]                  row_count_i,
  input  logic [$clog2(ROWS)-1:0]     row_i,
  input  logic [LoadRows-1:0][Channels-1:0][7:0] row_data_i,
  // stationary columns: one per cycle
  input  logic                        col_we_i,
  input  logic [$clog2(Channels)-1:0] col_i,
  input  logic [ROWS-1:0][7:0]        col_data_i,
  // token stream
  input  logic                        swap_i,
  input  logic signed [8:0]           x_i [ROWS],
  output logic signed [P_W-1:0]       p_o [Groups][MULTIPLIERS]
);

  if (Cascade > 8) begin : gen_illegal_cascade
    $fatal(1, "mac: Cascade = %0d, the low field holds 8 products", Cascade);
  end
  if (!(LoadRows inside {2, 4})) begin : gen_illegal_rows
    $fatal(1, "mac: LoadRows = %0d, must be 2 or 4", LoadRows);
  end
  if (!(Ratio inside {1, 2}) || (Ratio == 2 && (Groups % 2 != 0 || !Pack))) begin : gen_illegal_ratio
    $fatal(1, "mac: Ratio = %0d, must be 1, or 2 with Pack and an even number of groups", Ratio);
  end
  if (Dsp48e2 && !Pack) begin : gen_illegal_pack
    $fatal(1, "mac: a DSP48E2 holds two channels, Pack must be 1");
  end

  // The edge.
  logic [LoadRows-1:0][Channels-1:0][7:0] row_data_q;
  logic [ROWS-1:0][7:0] col_data_q;
  logic signed [8:0] x_edge_q[ROWS];
  logic swap_edge_q;

  always_ff @(posedge clk_i) begin
    if (ALWAYS_LOAD || row_we_i) row_data_q <= row_data_i;
    if (ALWAYS_LOAD || col_we_i) col_data_q <= col_data_i;
    x_edge_q    <= x_i;
    swap_edge_q <= swap_i && rst_ni;
  end

  // Operands and the swap, delayed to each stage of the cascade. (The double-clocked slices delay them by themselves.)
  localparam int unsigned STAGES = (Dsp48e2 && Ratio == 2) ? 1 : mac_stage(Ratio, Cascade - 1) + 1;
  logic signed [8:0] x_q[STAGES][ROWS];  // [stage][row]; only rows of this stage and later ones are used
  logic [STAGES-1:0] swap_q;

  always_ff @(posedge clk_i) begin
    swap_q <= STAGES'({swap_q, swap_edge_q});
    if (!rst_ni) swap_q <= '0;
  end

  always_ff @(posedge clk_i) begin
    for (int k = 0; k < int'(ROWS); k++) x_q[0][k] <= x_edge_q[k];
    for (int s = 1; s < int'(STAGES); s++) begin
      for (int k = 0; k < int'(ROWS); k++) begin
        if (int'(mac_stage(Ratio, k / Groups)) >= s) x_q[s][k] <= x_q[s-1][k];
      end
    end
  end

  logic unused_clk2x;
  assign unused_clk2x = clk2x_i;

  // Which rows, or which column (not used by the behaviour).
  logic [ROWS-1:0] row_we_q;
  logic [Channels-1:0] col_we_q;

  if (Dsp48e2) begin : gen_enables
    always_ff @(posedge clk_i) begin
      for (int unsigned k = 0; k < ROWS; k++) row_we_q[k] <= row_we_i && (32'(row_i) ^ k) < 32'(row_count_i);
      for (int unsigned n = 0; n < Channels; n++) col_we_q[n] <= col_we_i && 32'(col_i) == n;
    end
  end else begin : gen_no_enables
    assign row_we_q = '0;
    assign col_we_q = '0;

    logic unused_enables;
    assign unused_enables = &{row_we_q, col_we_q};
  end

  if (Dsp48e2 && Ratio == 2) begin : gen_double
    peritus_mac_double #(
      .Groups  (Groups),
      .Cascade (Cascade),
      .Channels(Channels),
      .LoadRows(LoadRows)
    ) u_double (
      .clk_i,
      .clk2x_i,
      .rst_ni,
      .row_we_i  (row_we_q),
      .row_data_i(row_data_q),
      .col_we_i  (col_we_q),
      .col_data_i(col_data_q),
      .swap_i    (swap_q[0]),
      .x_i       (x_q[0]),
      .p_o
    );
  end else if (Dsp48e2) begin : gen_dsp48e2
    logic [47:0] p[ROWS+Groups][MULTIPLIERS];  // into row k
    for (genvar k = 0; k < int'(ROWS); k++) begin : gen_row
      localparam int unsigned POSITION = k / Groups;
      logic [Channels-1:0] we;
      logic [Channels-1:0][7:0] w;
      assign w = row_we_q[k] ? row_data_q[k%LoadRows] : {Channels{col_data_q[k]}};
      assign we = {Channels{row_we_q[k]}} | col_we_q;

      for (genvar m = 0; m < int'(MULTIPLIERS); m++) begin : gen_pair
        if (POSITION == 0) begin : gen_start
          assign p[k][m] = '0;
        end
        peritus_mac_dsp48e2 #(
          .First(POSITION == 0),
          .Last (POSITION == Cascade - 1)
        ) u_pair (
          .clk_i,
          .we_lo_i(we[m]),
          .we_hi_i(we[m+MULTIPLIERS]),
          .w_lo_i (w[m]),
          .w_hi_i (w[m+MULTIPLIERS]),
          .swap_i (swap_q[POSITION]),
          .x_i    (x_q[POSITION][k]),
          .p_i    (p[k][m]),
          .p_o    (p[k+Groups][m])
        );
        if (POSITION == Cascade - 1) begin : gen_end
          assign p_o[k%Groups][m] = P_W'(p[k+Groups][m]);
        end
      end
    end
  end else begin : gen_generic
    // Each channel by itself; with Pack two are put together at the end, which is the same: products and sums are linear
    // in the operand. The product register of a DSP slice is behind the chain: one for Cascade of them.
    //
    // A third of a simulated frame was here. So loops over channels stay loops, of which the simulator's compiler makes
    // vectors of 32 bits, and one process goes from the end of the pipeline to its beginning, so that no register is
    // copied to be assigned later. Only p_o leaves it.
    // verilog_lint: waive-start always-ff-non-blocking
    /* verilator lint_off BLKSEQ */
    localparam int N = int'(Channels), HALF = N / 2, G = int'(Groups);
    typedef logic [$clog2(Channels)-1:0] channel_t;  // an index of this width needs no check
    localparam int unsigned SUM_W = Pack ? FIELD_W + 1 : FIELD_W;  // for any operand, as 38 bits have it
    typedef logic signed [SUM_W-1:0] sum_t;
    sum_t sum_q[STAGES][Groups][Channels];
    logic signed [8:0] active_q[ROWS][Channels];
    logic signed [7:0] shadow_q[ROWS][Channels];
    logic signed [8:0] operand_q[ROWS];
    logic row_valid_q, col_valid_q;
    logic [2:0] row_count_q;
    logic [$clog2(ROWS)-1:0] row_q;
    channel_t col_q;

    always_ff @(posedge clk_i) begin
      row_valid_q <= row_we_i;
      row_count_q <= row_count_i;
      row_q       <= row_i;
      col_valid_q <= col_we_i;
      col_q       <= col_i;
    end

    always_ff @(posedge clk_i) begin
      for (int g = 0; g < G; g++) begin
        for (int m = 0; m < int'(MULTIPLIERS); m++) begin
          if (Pack)
            p_o[g][m] <= (P_W'(sum_q[STAGES-1][g][(m+HALF)%N]) <<< FIELD_W) + P_W'(sum_q[STAGES-1][g][m]);
          else p_o[g][m] <= P_W'(sum_q[STAGES-1][g][m]);
        end
      end
      // A stage adds the products of its position, or of its two.
      for (int s = int'(STAGES) - 1; s >= 0; s--) begin
        for (int c = 0; c < int'(Cascade); c++) begin
          for (int g = 0; g < G; g++) begin
            if (int'(mac_stage(Ratio, c)) == s) begin
              if (c == 0) begin
                /* verilator unroll_disable */
                for (int unsigned n = 0; n < Channels; n++) begin
                  sum_q[0][g][channel_t'(n)] = sum_t'(int'(active_q[g][channel_t'(n)]) * int'(operand_q[g]));
                end
              end else if (int'(mac_stage(Ratio, c - 1)) != s) begin
                /* verilator unroll_disable */
                for (int unsigned n = 0; n < Channels; n++) begin
                  sum_q[s][g][channel_t'(n)] = sum_t'(int'(sum_q[s-1][g][channel_t'(n)])
                                             + int'(active_q[c*G+g][channel_t'(n)]) * int'(operand_q[c*G+g]));
                end
              end else begin
                /* verilator unroll_disable */
                for (int unsigned n = 0; n < Channels; n++) begin
                  sum_q[s][g][channel_t'(n)] = sum_t'(int'(sum_q[s][g][channel_t'(n)])
                                             + int'(active_q[c*G+g][channel_t'(n)]) * int'(operand_q[c*G+g]));
                end
              end
            end
          end
        end
      end
      for (int c = 0; c < int'(Cascade); c++) begin
        for (int g = 0; g < G; g++) operand_q[c*G+g] = x_q[mac_stage(Ratio, c)][c*G+g];
        if (swap_q[mac_stage(Ratio, c)]) begin
          for (int g = 0; g < G; g++) begin
            /* verilator unroll_disable */
            for (int unsigned n = 0; n < Channels; n++) begin
              active_q[c*G+g][channel_t'(n)] = 9'(shadow_q[c*G+g][channel_t'(n)]);
            end
            if (Pack) begin
              // A slice has 27 bits for both: -128 * 2^19, which no weight is, with a borrow is 128 * 2^19.
              /* verilator unroll_disable */
              for (int unsigned n = 0; n < Channels / 2; n++) begin
                if (shadow_q[c*G+g][channel_t'(n+HALF)] == -128 && shadow_q[c*G+g][channel_t'(n)] < 0) begin
                  active_q[c*G+g][channel_t'(n+HALF)] = 9'sd128;
                end
              end
            end
          end
        end
      end
      if (row_valid_q) begin
        for (int r = 0; r < int'(LoadRows); r++) begin
          if (((int'(row_q) ^ r) & (int'(LoadRows) - 1)) < int'(row_count_q)) begin
            for (int n = 0; n < N; n++) begin
              shadow_q[(int'(row_q)&-int'(LoadRows))|r][n] = row_data_q[r][n];
            end
          end
        end
      end
      if (col_valid_q) begin
        for (int k = 0; k < int'(ROWS); k++) shadow_q[k][col_q] = col_data_q[k];
      end
    end
    /* verilator lint_on BLKSEQ */
    // verilog_lint: waive-stop always-ff-non-blocking
  end

endmodule

`default_nettype wire
