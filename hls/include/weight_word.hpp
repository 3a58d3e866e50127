// SPDX-License-Identifier: Apache-2.0
// A word of the weight stream, and the weights in it: two rows of PN int8, or four rows of PN int4, the first of two in the
// low half of a byte.

#pragma once

#include "integers.hpp"
#include "peritus_config.hpp"

namespace peritus {

constexpr int WEIGHT_WORD_BYTES = 2 * config::PN;

struct WeightBytes {
  std::uint8_t byte[WEIGHT_WORD_BYTES];
};

inline Factor<8> int8_weight(const WeightBytes &word, int row, int n) {
#pragma HLS INLINE
  return static_cast<std::int8_t>(word.byte[row * config::PN + n]);
}

inline Factor<8> int4_weight(const WeightBytes &word, int row, int n) {
#pragma HLS INLINE
  const int byte = word.byte[(row * config::PN + n) / 2];
  const int nibble = n % 2 == 0 ? byte & 15 : byte >> 4;
  return static_cast<std::int8_t>((nibble ^ 8) - 8);
}

}  // namespace peritus
