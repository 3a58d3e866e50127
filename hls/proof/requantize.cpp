// SPDX-License-Identifier: Apache-2.0
#include "requantize.hpp"

using namespace peritus;

extern "C" {

Int<24> model_round_shift(Int<43> value, UInt<6> shift) { return round_shift<24, 43>(value, shift); }

Int<24> model_stage1(Int<27> value, UInt<16> multiplier, UInt<6> shift) {
  return requantize<24, 27>(value, multiplier, shift);
}

Int<16> model_stage2(Int<24> value, UInt<16> multiplier, UInt<6> shift) {
  return requantize<16, 24>(value, multiplier, shift);
}

}  // extern "C"
