// SPDX-License-Identifier: Apache-2.0
// The on-chip memories, everything that lives from one instruction to the next.
//
// An address beyond a memory reaches nothing: it is remembered and ends the job (Fault::ADDRESS).
// Description: peritus.arch.memories. Executable definition: peritus.runtime.iss.memories.

#pragma once

#include "integers.hpp"
#include "lanes.hpp"
#include "peritus_config.hpp"
#include "weight_word.hpp"
#include "write_log.hpp"

namespace peritus {

using config::PK;
using config::PN;
using config::SLICES;

static_assert(PN == PK * SLICES, "a word is a whole number of slices");
static_assert(PN % config::AXI_BYTES == 0, "a beat of the bus lies within one word");
static_assert(config::STRIPE_BYTES % (2 * PN) == 0, "a stripe of the weight stream is a whole number of words");
static_assert(PK % 2 == 0, "a weight word holds two rows of a tile");

template <int BITS, int WORDS, int MONITOR>
struct Memory {
  using Word = Lanes<Int<BITS>, PN>;
  Word words[WORDS];
  int outside = -1;  // an address beyond it

  int inside(int address) {
#pragma HLS INLINE
    if (0 <= address && address < WORDS) return address;
    outside = address;
    return 0;
  }
  const Word &read(int address) {
#pragma HLS INLINE
    return words[inside(address)];
  }
  // Lane n of slice `address`; a slice is PK lanes.
  Int<BITS> slice_lane(int word, int slice, int n) const {
#pragma HLS INLINE
    return words[word].lane[slice * PK + n];
  }
  void write(int address, const Word &word) {
#pragma HLS INLINE
    words[inside(address)] = word;
    log_write<BITS>(MONITOR, address, 0, PN, word.lane);
  }
  // `lanes` lanes from lane `first` on.
  template <int LANES>
  void write_part(int address, int first, const Lanes<Int<BITS>, LANES> &part) {
#pragma HLS INLINE
    Word &word = words[inside(address)];
    for (int n = 0; n < LANES; ++n) {
#pragma HLS UNROLL
      word.lane[first + n] = part.lane[n];
    }
    log_write<BITS>(MONITOR, address, first, LANES, word.lane);
  }
};

// Tokens that the router gave to each expert, in their order, with their scores.
struct Queues {
  UInt<config::TOKEN_W> token[config::MAX_EXPERTS][config::ACC_DEPTH];
  UInt<16> score[config::MAX_EXPERTS][config::ACC_DEPTH];
  UInt<config::COUNT_W> length[config::MAX_EXPERTS];
};

struct Memories {
  Memory<config::ACT_LANE_W, config::ACT_WORDS, config::ACT_MONITOR> act;
  Memory<config::KV_LANE_W, config::KV_WORDS, config::KV_MONITOR> kv;
  Memory<config::SCORE_LANE_W, config::SCORE_WORDS, config::SCORE_MONITOR> score;
  Memory<config::RESIDUAL_LANE_W, config::RESIDUAL_WORDS, config::RESIDUAL_MONITOR> residual;
  // Weights that stay from job to job. (C++ has no array of nothing.)
  WeightBytes resident[config::RESIDENT_WORDS > 0 ? config::RESIDENT_WORDS : 1];
  Int<16> row_maximum[config::ACC_DEPTH];  // of the rows of scores written last
  Queues queues;                           // of the last gate
};

}  // namespace peritus
