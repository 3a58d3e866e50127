// SPDX-License-Identifier: Apache-2.0
#include "softmax.hpp"

using namespace peritus;

extern "C" {

UInt<8> model_probability(Int<16> score, Int<16> maximum, UInt<2> keep) {
  return probability(score, maximum, keep != 0);
}

Int<16> model_row_maximum(Int<16> a, Int<16> b, Int<16> c, Int<16> d, Int<16> e, Int<16> f, Int<16> g, Int<16> h,
                          UInt<4> valid, Int<16> previous, UInt<2> first) {
  const Lanes<Int<16>, 8> word = {{a, b, c, d, e, f, g, h}};
  return larger_maximum(word, static_cast<int>(valid), previous, first != 0);
}

}  // extern "C"
