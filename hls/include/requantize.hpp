// SPDX-License-Identifier: Apache-2.0
// Requantization: both stages of the epilogue, and the score of a router.
//
//   sat(rhu(value * multiplier, shift));   multiplier 1 with shift 0 passes the value, saturated
//
// Reference: peritus.reference.requantize. RTL: rtl/compute/peritus_requantize.sv.

#pragma once

#include "arithmetic.hpp"

namespace peritus {

constexpr int MULTIPLIER_BITS = 16;  // unsigned
constexpr int STAGE1_BITS = 24;
constexpr int STAGE2_BITS = 16;

template <int OUT, int IN>
inline Int<OUT> requantize(Int<IN> value, UInt<MULTIPLIER_BITS> multiplier, UInt<6> shift) {
#pragma HLS INLINE
  constexpr int PRODUCT = IN + MULTIPLIER_BITS;
  return round_shift<OUT, PRODUCT>(Int<PRODUCT>(Int<PRODUCT>(value) * Int<PRODUCT>(multiplier)), shift);
}

}  // namespace peritus
