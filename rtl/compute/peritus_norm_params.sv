// SPDX-License-Identifier: Apache-2.0
// Parameter store of LayerNorm: one block per word of PN channels, taken from the weight stream.
//
// start_i begins to pop n_tiles_i blocks of four weight words: beta of the lower and of the upper lanes (int32),
// gamma (int16), shifts (uint8, lower half of the word). loaded_o rises when all are held.
// A block is read by its number, two cycles after re_i.

`default_nettype none

module peritus_norm_params
  import peritus_pkg::*;
#(
  localparam int unsigned BlockW = $clog2(MAX_D_WORDS)
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                start_i,
  input  logic [7:0]          n_tiles_i,
  output logic                loaded_o,
  input  logic                w_valid_i,
  input  logic [2*PN*8-1:0]   w_data_i,
  output logic                w_ready_o,
  input  logic                re_i,
  input  logic [BlockW-1:0]   block_i,
  output logic [PN-1:0][31:0] beta_o,
  output logic [PN-1:0][15:0] gamma_o,
  output logic [PN-1:0][7:0]  shift_o
);

  localparam int unsigned WORD_W = 2 * PN * 8;
  localparam logic [2:0] BETA_LOW = 3'(PARAM_BIAS), BETA_HIGH = 3'(PARAM_BIAS + 1);
  localparam logic [2:0] GAMMA = 3'(PARAM_MULT1), SHIFT = 3'(PARAM_SHIFT1);

  logic filling_q;
  logic [2:0] word_q;  // of the block
  logic [7:0] block_q;
  logic pop, last_word, last;

  assign w_ready_o = filling_q;
  assign pop = filling_q && w_valid_i;
  assign last_word = word_q == 3'(PARAM_BLOCK_WORDS - 1);
  assign last = last_word && block_q == n_tiles_i - 8'd1;

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      filling_q <= 1'b1;
      loaded_o <= 1'b0;
      word_q <= '0;
      block_q <= '0;
    end else if (pop) begin
      word_q <= last_word ? '0 : word_q + 3'd1;
      if (last_word) block_q <= block_q + 8'd1;
      if (last) begin
        filling_q <= 1'b0;
        loaded_o <= 1'b1;
      end
    end
    if (!rst_ni) begin
      filling_q <= 1'b0;
      loaded_o <= 1'b0;
    end
  end

  peritus_ram_1r1w #(
    .Width(WORD_W),
    .Depth(MAX_D_WORDS),
    .Style("distributed"),
    .Hold (1'b0)
  ) u_beta_low (
    .clk_i,
    .we_i   (pop && word_q == BETA_LOW),
    .waddr_i(block_q[BlockW-1:0]),
    .wdata_i(w_data_i),
    .re_i,
    .raddr_i(block_i),
    .rdata_o(beta_o[PN/2-1:0])
  );

  peritus_ram_1r1w #(
    .Width(WORD_W),
    .Depth(MAX_D_WORDS),
    .Style("distributed"),
    .Hold (1'b0)
  ) u_beta_high (
    .clk_i,
    .we_i   (pop && word_q == BETA_HIGH),
    .waddr_i(block_q[BlockW-1:0]),
    .wdata_i(w_data_i),
    .re_i,
    .raddr_i(block_i),
    .rdata_o(beta_o[PN-1:PN/2])
  );

  peritus_ram_1r1w #(
    .Width(WORD_W),
    .Depth(MAX_D_WORDS),
    .Style("distributed"),
    .Hold (1'b0)
  ) u_gamma (
    .clk_i,
    .we_i   (pop && word_q == GAMMA),
    .waddr_i(block_q[BlockW-1:0]),
    .wdata_i(w_data_i),
    .re_i,
    .raddr_i(block_i),
    .rdata_o(gamma_o)
  );

  peritus_ram_1r1w #(
    .Width(PN * 8),
    .Depth(MAX_D_WORDS),
    .Style("distributed"),
    .Hold (1'b0)
  ) u_shift (
    .clk_i,
    .we_i   (pop && word_q == SHIFT),
    .waddr_i(block_q[BlockW-1:0]),
    .wdata_i(w_data_i[PN*8-1:0]),
    .re_i,
    .raddr_i(block_i),
    .rdata_o(shift_o)
  );

`ifndef SYNTHESIS
  assert property (@(posedge clk_i) disable iff (!rst_ni) start_i |-> n_tiles_i inside {[1 : MAX_D_WORDS]})
  else $error("norm_params: n_tiles_i = %0d, at most %0d", n_tiles_i, MAX_D_WORDS);
`endif

endmodule

`default_nettype wire
