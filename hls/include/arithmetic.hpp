// SPDX-License-Identifier: Apache-2.0
// Rounding and saturation, the two primitives under every other function.
//
// Reference: peritus.reference.arithmetic. RTL: rtl/compute/peritus_round_shift.sv.

#pragma once

#include "integers.hpp"

namespace peritus {

// Clamp to a signed integer of OUT bits.
template <int OUT, int IN>
inline Int<OUT> saturate(Int<IN> value) {
#pragma HLS INLINE
  static_assert(1 < OUT && OUT < IN && OUT <= 32, "saturation must narrow");
  const Int<IN> maximum = Int<IN>((std::int64_t(1) << (OUT - 1)) - 1);
  const Int<IN> minimum = Int<IN>(-(std::int64_t(1) << (OUT - 1)));
  const Int<IN> low = value < minimum ? minimum : value;
  const Int<IN> clamped = maximum < low ? maximum : low;
  return Int<OUT>(clamped);
}

// sat(rhu(value, shift)), rhu(v, s) = floor(v / 2^s + 1/2) = (((2v) >> s) + 1) >> 1, 0 <= s <= 63: shifted before the
// rounding increment, which then needs no adder as wide as the value.
template <int OUT, int IN>
inline Int<OUT> round_shift(Int<IN> value, UInt<6> shift) {
#pragma HLS INLINE
  static_assert(IN + 1 <= 64, "64 bits hold twice the value");
  // 64 bits, for C++ gives a shift beyond the width no meaning; all above IN + 1 are copies of the sign.
  const Int<64> doubled = Int<64>(Int<64>(value) * Int<64>(2));
  const Int<64> shifted = Int<64>(doubled >> static_cast<int>(shift));
  const Int<IN + 1> rounded = Int<IN + 1>((shifted + Int<64>(1)) >> 1);
  return saturate<OUT, IN + 1>(rounded);
}

}  // namespace peritus
