// SPDX-License-Identifier: Apache-2.0
// Fills the stationary operands of the MAC array and the epilogue parameters, one pass ahead of the streamer.
//
//   for nb in n_tiles: for kb in k_tiles:
//     if kb is last: parameters of output word nb (4 weight words, 5 if stage 2 is by channel: of the stream, the
//                    resident memory, or the immediates)
//     tile (nb, kb): weights, 2 rows a cycle, 4 of int4 | values, 1 row (key) a cycle | keys, 1 column (key) a cycle
//
// The parameters come just before the last tile: the epilogue takes them when that tile's first token reaches it,
// K passes after it took the previous ones. Instructions that use the weight stream pop their segment to its end.
// tile_ready_o: the shadow will be complete when a pass that begins now needs it. Operands take AT_ARRAY cycles to the
// array and the swap CASCADE more to the last rows, so a weight tile that is sure to arrive may be taken while it loads.
// tile_taken_i: the streamer began a pass with it; swapped_i: that pass's first token
// is entering the array, the shadow may be rewritten (peritus_mac_array.sv gives the order that makes this safe).

`default_nettype none

module peritus_tile_loader
  import peritus_pkg::*;
  import peritus_core_pkg::*;
  import peritus_mac_pkg::*;
  import peritus_pipeline_pkg::*;
  import peritus_weight_pkg::*;
(
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  gemm_valid_i,
  output logic                  gemm_ready_o,
  input  gemm_t                 gemm_i,
  // weight stream
  input  logic                  w_valid_i,
  input  logic [2*PN*8-1:0]     w_data_i,
  input  logic                  w_plenty_i,   // a whole tile will arrive without a gap
  output logic                  w_ready_o,
  output logic                  seg_done_o,
  // resident weights: a stream that begins where it is told, without gaps from its first word on
  output logic                  res_start_o,
  output logic [RESIDENT_AW-1:0] res_addr_o,
  input  logic                  res_valid_i,
  input  logic [2*PN*8-1:0]     res_data_i,
  output logic                  res_ready_o,
  // keys and values
  output logic                  kv_re_o,
  output logic [KV_AW-1:0]      kv_raddr_o,
  input  logic [PN-1:0][7:0]    kv_rdata_i,
  // stationary operands
  output logic                  row_we_o,
  output logic [2:0]            row_count_o,
  output logic [$clog2(PK)-1:0] row_o,
  output logic [ROWS_PER_WORD-1:0][PN-1:0][7:0] row_data_o,  // row k in slot k mod ROWS_PER_WORD
  output logic                  col_we_o,
  output logic [$clog2(PN)-1:0] col_o,
  output logic [PK-1:0][7:0]    col_data_o,
  // epilogue parameters of the next output word
  output param_block_t          params_o,
  input  logic                  params_taken_i,
  // streamer
  output logic                  tile_ready_o,
  input  logic                  tile_taken_i,
  input  logic                  swapped_i,
  output logic                  idle_o,
  output logic [7:0]            state_o
);

  localparam int unsigned SLICE_W = $clog2(SLICES);
  localparam int unsigned BEAT_W = $clog2(PN) + 1;
  localparam int unsigned PAD_W = $clog2(STRIPE_WORDS) + 1;
  // Cycles from swapped_i until rows, or a whole column, may be overwritten: so many rows a cycle must not catch up with
  // the swap, which passes a position a cycle, or two.
  localparam int unsigned COL_GUARD = mac_stage(DSP_RATIO, CASCADE - 1) + 1;
  function automatic int unsigned row_guard(int unsigned rows);
    int unsigned loaded;
    loaded = (PK - PK / CASCADE) / rows;
    return (loaded < COL_GUARD - 1) ? COL_GUARD - 1 - loaded : 0;
  endfunction
  // A tile may be taken after so many words: its last row is in the shadow one cycle after the last word's pop, and wanted
  // there after the issue register, AT_ARRAY and the swap's way down to its position.
  function automatic int unsigned take_at(int unsigned rows);
    int unsigned delay;
    delay = AT_ARRAY + mac_stage(DSP_RATIO, (PK - rows) / (PK / CASCADE));
    return (PK / rows > delay + 1) ? PK / rows - delay : 1;
  endfunction

  typedef enum logic [2:0] {
    IDLE,
    PARAMS,
    GUARD,
    WEIGHTS,
    KV,
    KV_DRAIN,
    READY,
    PAD
  } state_e;
  state_e state_q;

  gemm_t gemm_q;
  logic [7:0] nb_q, kb_q, last_nb_q, last_kb_q;
  logic is_last_kb_q, is_last_nb_q;  // kb_q == last_kb_q, nb_q == last_nb_q
  logic [BEAT_W-1:0] beat_q;  // weight word of the tile or parameter block, or key of the tile
  logic [2:0] last_param_q;  // the parameter block's last word
  logic [3:0] guard_q;
  logic swap_pending_q;  // a taken tile has not reached the array yet
  logic taken_q;  // a pass has begun with this tile
  logic steady_q;  // this tile loads without a gap
  logic params_pending_q;  // loaded parameters have not reached the epilogue yet
  logic [15:0] block_addr_q;  // kv word of the first key of this nb
  logic [15:0] key_addr_q;  // kv word of the next key
  logic [11:0] keys_left_q;  // keys from the first one of this tile
  logic [PAD_W-1:0] popped_q;  // words popped of the current stripe

  exec_instr_t instr;
  assign instr = gemm_q.instr;

  logic is_keys, is_int4, uses_stream, last_kb, last_nb;
  logic resident_q, weights_q;  // of the instruction; registers, because they steer whole words
  assign is_keys = instr.stat_src == STAT_KEYS;
  assign is_int4 = INT4 != 0 && instr.int4;
  assign uses_stream = instr.stat_src == STAT_WEIGHTS || (instr.params && !resident_q);
  assign last_kb = is_last_kb_q;
  assign last_nb = is_last_nb_q;

  // The tile after this one.
  logic [7:0] next_kb;
  logic [15:0] next_block;
  assign next_kb = last_kb ? 8'd0 : kb_q + 8'd1;
  assign next_block = !last_kb ? block_addr_q
                    : is_keys ? block_addr_q + 16'(16'(instr.stat_stride) << $clog2(PN))
                    : block_addr_q + 16'd1;

  // Words of a weight tile: the last one, and after which it may be taken.
  logic [BEAT_W-1:0] last_word, take_word;
  assign last_word = is_int4 ? BEAT_W'(PK / 4 - 1) : BEAT_W'(TILE_WORDS - 1);
  assign take_word = is_int4 ? BEAT_W'(take_at(4)) : BEAT_W'(take_at(2));

  logic [11:0] span, keys_here;
  assign span = is_keys ? 12'(PN) : 12'(PK);
  assign keys_here = (keys_left_q < span) ? keys_left_q : span;

  logic pop, wanted, word_valid, params_now, param_word, last_in_stripe;
  logic [2*PN*8-1:0] word;
  assign word = resident_q ? res_data_i : w_data_i;
  assign params_now = state_q == PARAMS && !params_pending_q;
  assign wanted = (params_now && instr.params) || state_q == WEIGHTS || state_q == PAD;
  assign w_ready_o = wanted && !resident_q;
  assign res_ready_o = wanted && resident_q;
  assign word_valid = resident_q ? res_valid_i : w_valid_i;
  assign pop = word_valid && wanted;
  assign param_word = params_now && (word_valid || !instr.params);
  assign res_start_o = state_q == IDLE && gemm_valid_i;
  assign res_addr_o = RESIDENT_AW'(gemm_i.instr.stat_base);
  assign last_in_stripe = popped_q == PAD_W'(STRIPE_WORDS - 1);

  assign gemm_ready_o = state_q == IDLE;
  assign idle_o = state_q == IDLE && !seg_done_o;  // a drop may not meet the end of the segment before it
  assign state_o = 8'(state_q);
  assign kv_re_o = state_q == KV;
  assign kv_raddr_o = key_addr_q[KV_AW-1:0];

  // Keys and values: two cycles of memory, then one register.
  typedef struct packed {
    logic              valid;
    logic              is_keys;
    logic [BEAT_W-1:0] index;
    logic [7:0]        slice;
  } kv_read_t;
  kv_read_t kv_q[2];

  always_ff @(posedge clk_i) begin
    seg_done_o <= 1'b0;
    tile_ready_o <= 1'b0;
    if (swapped_i) begin
      swap_pending_q <= 1'b0;
      guard_q <= is_keys ? 4'(COL_GUARD) : is_int4 ? 4'(row_guard(4)) : 4'(row_guard(2));
    end else if (guard_q != 0) begin
      guard_q <= guard_q - 4'd1;
    end
    if (tile_taken_i) begin
      swap_pending_q <= 1'b1;
      taken_q <= 1'b1;
    end
    if (params_taken_i) params_pending_q <= 1'b0;
    if (pop) popped_q <= last_in_stripe ? '0 : popped_q + 1'b1;

    unique case (state_q)
      IDLE: begin
        if (gemm_valid_i) begin
          gemm_q <= gemm_i;
          last_nb_q <= gemm_i.instr.n_tiles - 8'd1;
          last_kb_q <= gemm_i.instr.k_tiles - 8'd1;
          is_last_kb_q <= gemm_i.instr.k_tiles == 8'd1;
          is_last_nb_q <= gemm_i.instr.n_tiles == 8'd1;
          resident_q <= RESIDENT_WORDS != 0 && gemm_i.instr.stat_src == STAT_RESIDENT;
          last_param_q <= (gemm_i.instr.scale2 == SCALE2_CHANNEL)
                            ? 3'(PARAM_BLOCK_WORDS + PARAM_STAGE2_WORDS - 1) : 3'(PARAM_BLOCK_WORDS - 1);
          weights_q <= gemm_i.instr.stat_src inside {STAT_WEIGHTS, STAT_RESIDENT};
          nb_q <= '0;
          kb_q <= '0;
          beat_q <= '0;
          popped_q <= '0;
          block_addr_q <= gemm_i.instr.stat_base;
          key_addr_q <= gemm_i.instr.stat_base;
          keys_left_q <= gemm_i.instr.keys;
          if (gemm_i.instr.stat_src == STAT_KEYS) guard_q <= 4'(COL_GUARD);
          else if (INT4 != 0 && gemm_i.instr.int4) guard_q <= 4'(row_guard(4));
          state_q <= (gemm_i.instr.k_tiles == 8'd1) ? PARAMS : GUARD;
        end
      end
      PARAMS: begin
        if (param_word) begin
          beat_q <= beat_q + 1'b1;
          if (beat_q == BEAT_W'(last_param_q)) begin
            beat_q <= '0;
            params_pending_q <= 1'b1;
            state_q <= GUARD;
          end
        end
      end
      GUARD: begin
        if (!swap_pending_q && guard_q == 0) begin
          steady_q <= resident_q ? res_valid_i : w_plenty_i;
          state_q <= weights_q ? WEIGHTS : KV;
        end
      end
      WEIGHTS: begin
        // The tile may be taken from the next cycle on.
        tile_ready_o <= !taken_q && !tile_taken_i
                     && ((pop && beat_q == last_word)
                      || (steady_q && 32'(beat_q) + 32'(pop) >= 32'(take_word)));
        if (pop) begin
          beat_q <= beat_q + 1'b1;
          if (beat_q == last_word) state_q <= READY;
        end
      end
      KV: begin
        beat_q <= beat_q + 1'b1;
        key_addr_q <= key_addr_q + 16'(instr.stat_stride);
        if (12'(beat_q) + 12'd1 >= keys_here) state_q <= KV_DRAIN;
      end
      KV_DRAIN: begin
        if (!kv_q[0].valid && !kv_q[1].valid) begin
          tile_ready_o <= 1'b1;
          state_q <= READY;
        end
      end
      READY: begin
        tile_ready_o <= !taken_q && !tile_taken_i;
        if (taken_q) begin
          taken_q <= 1'b0;
          beat_q <= '0;
          kb_q <= next_kb;
          is_last_kb_q <= next_kb == last_kb_q;
          if (last_kb) begin
            nb_q <= nb_q + 8'd1;
            is_last_nb_q <= nb_q + 8'd1 == last_nb_q;
          end
          block_addr_q <= next_block;
          if (is_keys) begin
            key_addr_q <= next_block + 16'(next_kb >> SLICE_W);
            if (last_kb) keys_left_q <= keys_left_q - keys_here;
          end else if (last_kb) begin
            key_addr_q <= next_block;
            keys_left_q <= instr.keys;
          end else begin
            keys_left_q <= keys_left_q - keys_here;
          end
          if (last_kb && last_nb) begin
            seg_done_o <= uses_stream && popped_q == 0;
            state_q <= (uses_stream && popped_q != 0) ? PAD : IDLE;
          end else begin
            state_q <= (next_kb == last_kb_q) ? PARAMS : GUARD;
          end
        end
      end
      PAD: begin
        if (pop && last_in_stripe) begin
          seg_done_o <= 1'b1;
          state_q <= IDLE;
        end
      end
      default: state_q <= IDLE;
    endcase

    if (!rst_ni) begin
      state_q <= IDLE;
      tile_ready_o <= 1'b0;
      swap_pending_q <= 1'b0;
      taken_q <= 1'b0;
      params_pending_q <= 1'b0;
      guard_q <= '0;
    end
  end

  always_ff @(posedge clk_i) begin
    kv_q[0] <= '{valid: kv_re_o, is_keys: is_keys, index: beat_q, slice: kb_q & 8'(SLICES - 1)};
    kv_q[1] <= kv_q[0];
    row_we_o <= (state_q == WEIGHTS && pop) || (kv_q[1].valid && !kv_q[1].is_keys);
    row_count_o <= !weights_q ? 3'd1 : is_int4 ? 3'd4 : 3'd2;
    row_o <= !weights_q ? $clog2(PK)'(kv_q[1].index)
           : is_int4 ? $clog2(PK)'({beat_q, 2'b00}) : $clog2(PK)'({beat_q, 1'b0});
    col_we_o <= kv_q[1].valid && kv_q[1].is_keys;
    col_o <= $clog2(PN)'(kv_q[1].index);
    if (ALWAYS_LOAD || pop || kv_q[1].valid) begin
      for (int unsigned r = 0; r < ROWS_PER_WORD; r++) begin
        row_data_o[r] <= weights_q ? weight_row(word, r, is_int4) : kv_rdata_i;
      end
    end
    if (ALWAYS_LOAD || kv_q[1].valid) col_data_o <= kv_rdata_i[kv_q[1].slice*PK+:PK];
    if (!rst_ni) begin
      kv_q[0].valid <= 1'b0;
      kv_q[1].valid <= 1'b0;
    end
  end

  // Parameters: word by word, one after the other through a register; the immediates as such words, for every lane.
  logic [2*PN*8-1:0] immediate, param_word_q;
  logic [PARAM_BLOCK_WORDS+PARAM_STAGE2_WORDS-1:0] param_we_q;  // which one it is

  always_comb begin
    immediate = '0;
    if (beat_q == BEAT_W'(PARAM_MULT1)) immediate = {PN{instr.imm_mult}};
    if (beat_q == BEAT_W'(PARAM_SHIFT1)) immediate = {{PN{8'd1}}, {PN{8'(instr.imm_shift)}}};
  end

  always_ff @(posedge clk_i) begin
    for (int unsigned i = 0; i < PARAM_BLOCK_WORDS + PARAM_STAGE2_WORDS; i++) begin
      param_we_q[i] <= param_word && 32'(beat_q) == i && rst_ni;
    end
    if (ALWAYS_LOAD || param_word) param_word_q <= instr.params ? word : immediate;
    if (param_we_q[PARAM_BIAS]) params_o.bias[PN/2-1:0] <= param_word_q;
    if (param_we_q[PARAM_BIAS+1]) params_o.bias[PN-1:PN/2] <= param_word_q;
    if (param_we_q[PARAM_MULT1]) params_o.mult1 <= param_word_q;
    if (param_we_q[PARAM_SHIFT1]) {params_o.shift2, params_o.shift1} <= param_word_q;
    if (param_we_q[PARAM_MULT2]) params_o.mult2 <= param_word_q;
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni && state_q == WEIGHTS && taken_q) begin
      assert (word_valid)
      else $error("tile_loader: a tile taken while it loads has a gap");
    end
  end
`endif

endmodule

`default_nettype wire
