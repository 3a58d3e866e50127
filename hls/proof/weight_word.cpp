// SPDX-License-Identifier: Apache-2.0
#include "weight_word.hpp"

using namespace peritus;

namespace {

static_assert(config::PN == 8, "a weight word is two integers of 64 bits, a row is one");

template <int ROW, bool INT4>
UInt<64> row_of(UInt<64> low, UInt<64> high) {
  WeightBytes word;
  for (int b = 0; b < 8; ++b) {
    word.byte[b] = static_cast<std::uint8_t>(low >> 8 * b);
    word.byte[8 + b] = static_cast<std::uint8_t>(high >> 8 * b);
  }
  UInt<64> row = 0;
  for (int n = 0; n < config::PN; ++n) {
    const Factor<8> weight = INT4 ? int4_weight(word, ROW, n) : int8_weight(word, ROW, n);
    row |= UInt<64>(UInt<8>(weight)) << 8 * n;
  }
  return row;
}

}  // namespace

extern "C" {

UInt<64> model_int8_row0(UInt<64> low, UInt<64> high) { return row_of<0, false>(low, high); }
UInt<64> model_int8_row1(UInt<64> low, UInt<64> high) { return row_of<1, false>(low, high); }
UInt<64> model_int4_row0(UInt<64> low, UInt<64> high) { return row_of<0, true>(low, high); }
UInt<64> model_int4_row1(UInt<64> low, UInt<64> high) { return row_of<1, true>(low, high); }
UInt<64> model_int4_row2(UInt<64> low, UInt<64> high) { return row_of<2, true>(low, high); }
UInt<64> model_int4_row3(UInt<64> low, UInt<64> high) { return row_of<3, true>(low, high); }

}  // extern "C"
