// SPDX-License-Identifier: Apache-2.0
// The weight stream: one segment for each instruction that uses it, in program order, padded to whole stripes. docs/isa.md
// says what is in them; here is the one place where a tile and a parameter block are read.

#pragma once

#include "job.hpp"
#include "memories.hpp"
#include "stream.hpp"

namespace peritus {

constexpr int WEIGHT_WORD_BEATS = WEIGHT_WORD_BYTES / config::AXI_BYTES;

// last: of its segment. end: behind all segments comes one word that carries nothing else.
struct WeightWord : WeightBytes {
  bool last;
  bool end;
};

// The segment at hand, as its reader sees it.
class Segment {
  Stream<WeightWord> &stream_;
  const Memories &memories_;
  bool last_ = true;   // the word read last was the segment's last
  bool over_ = false;  // no segment is left
  bool wrong_ = false;
  bool resident_ = false;  // words come from the resident memory instead, from next_ on
  int next_ = 0;

 public:
  Segment(Stream<WeightWord> &stream, const Memories &memories) : stream_(stream), memories_(memories) {}

  // Has a segment been too short, or too long, or missing?
  bool wrong() const { return wrong_; }
  bool over() const { return over_; }

  void begin() {
    resident_ = false;
    last_ = false;
  }
  // What stays on chip, from word `first` on, instead of a segment.
  void begin_resident(int first) {
    resident_ = true;
    next_ = first;
  }

  WeightWord word() {
#pragma HLS INLINE
    WeightWord found = {};
    if (resident_) {
      const bool inside = 0 <= next_ && next_ < config::RESIDENT_WORDS;
      if (inside) static_cast<WeightBytes &>(found) = memories_.resident[next_];
      wrong_ = wrong_ || !inside;
      ++next_;
    } else if (last_ || over_) {
      wrong_ = true;
    } else {
      found = stream_.read();
      last_ = found.last;
      over_ = found.end;
      wrong_ = wrong_ || found.end;
    }
    return found;
  }

  // Pass over what is left of it, at most `words` words.
  void skip(int words) {
#pragma HLS INLINE
    for (int n = 0; n < words; ++n) {
#pragma HLS PIPELINE II=1 // a word a cycle is what the stream delivers
#pragma HLS LOOP_TRIPCOUNT max=config::STRIPE_WORDS
      if (!last_ && !over_) word();
    }
    wrong_ = wrong_ || !last_;
  }
  // The padding, less than a stripe.
  void finish() {
    if (!resident_) skip(config::STRIPE_WORDS - 1);
  }
  // After the last instruction nothing may be left.
  void expect_end() {
    begin();
    word();
    wrong_ = !over_;
  }
};

// Stationary operand: row k meets input lane k, column n is output lane n.
struct Tile {
  Factor<8> row[PK][PN];
};

// PK rows of PN weights.
template <bool INT4>
void read_tile(Segment &segment, Tile &tile) {
#pragma HLS INLINE
  constexpr int ROWS = INT4 ? 4 : 2;  // in a word
  for (int k = 0; k < PK; k += ROWS) {
#pragma HLS PIPELINE II=1 // a word a cycle is what the stream delivers
    const WeightWord word = segment.word();
    for (int r = 0; r < ROWS; ++r) {
#pragma HLS UNROLL
      for (int n = 0; n < PN; ++n) {
#pragma HLS UNROLL
        tile.row[k + r][n] = INT4 ? int4_weight(word, r, n) : int8_weight(word, r, n);
      }
    }
  }
}

// Of the PN channels of an output word. LayerNorm has beta in bias, gamma (int16) in multiplier1, its shift in shift1.
struct Params {
  Int<32> bias[PN];
  UInt<16> multiplier1[PN];
  UInt<16> multiplier2[PN];
  UInt<6> shift1[PN];
  UInt<6> shift2[PN];
};

// multiplier2 is there only if stage 2 is by channel; else it is 0.
inline Params read_params(Segment &segment, bool stage2) {
#pragma HLS INLINE off // one copy for GEMM and LayerNorm
  constexpr int MOST = config::PARAM_BLOCK_WORDS + config::PARAM_STAGE2_WORDS;
  std::uint8_t byte[MOST * WEIGHT_WORD_BYTES] = {};
#pragma HLS ARRAY_PARTITION variable=byte type=complete // registers: all lanes are looked at at once
  const int words = stage2 ? MOST : config::PARAM_BLOCK_WORDS;
  for (int w = 0; w < words; ++w) {
#pragma HLS LOOP_TRIPCOUNT max=MOST
#pragma HLS PIPELINE II=1 // a word a cycle is what the stream delivers
    const WeightWord word = segment.word();
    for (int b = 0; b < WEIGHT_WORD_BYTES; ++b) {
#pragma HLS UNROLL
      byte[w * WEIGHT_WORD_BYTES + b] = word.byte[b];
    }
  }
  // Fields follow one another without gaps, PN little-endian lanes each.
  constexpr int MULTIPLIER1 = config::PARAM_MULT1 * WEIGHT_WORD_BYTES;
  constexpr int MULTIPLIER2 = config::PARAM_MULT2 * WEIGHT_WORD_BYTES;
  constexpr int SHIFT1 = config::PARAM_SHIFT1 * WEIGHT_WORD_BYTES;
  constexpr int SHIFT2 = SHIFT1 + PN;
  static_assert(SHIFT2 + PN == MULTIPLIER2, "shift2 is the last field of the shorter block");
  static_assert(MULTIPLIER2 + 2 * PN == MOST * WEIGHT_WORD_BYTES, "multiplier2 is the last field");
  Params params;
  for (int n = 0; n < PN; ++n) {
#pragma HLS UNROLL
    const std::uint32_t bias = byte[4 * n] | byte[4 * n + 1] << 8 | byte[4 * n + 2] << 16 |
                               static_cast<std::uint32_t>(byte[4 * n + 3]) << 24;
    params.bias[n] = static_cast<std::int32_t>(bias);
    params.multiplier1[n] = byte[MULTIPLIER1 + 2 * n] | byte[MULTIPLIER1 + 2 * n + 1] << 8;
    params.multiplier2[n] = byte[MULTIPLIER2 + 2 * n] | byte[MULTIPLIER2 + 2 * n + 1] << 8;
    params.shift1[n] = byte[SHIFT1 + n] & 63;
    params.shift2[n] = byte[SHIFT2 + n] & 63;
  }
  return params;
}

}  // namespace peritus
