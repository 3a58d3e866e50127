// SPDX-License-Identifier: Apache-2.0
// Rounding and saturation. Reference: peritus.reference.arithmetic; RTL: rtl/compute/peritus_round_shift.sv.

#pragma once

#include "ap_int.h"

namespace peritus {

// Clamp to a signed integer of OutBits bits.
template <int OutBits, int InBits>
ap_int<OutBits> saturate(const ap_int<InBits> &value) {
#pragma HLS INLINE
  static_assert(1 < OutBits && OutBits < InBits, "saturation must narrow");
  const ap_int<InBits> maximum = (ap_int<InBits>(1) << (OutBits - 1)) - 1;
  const ap_int<InBits> minimum = ~maximum;
  return (value > maximum) ? ap_int<OutBits>(maximum)
         : (value < minimum) ? ap_int<OutBits>(minimum)
                             : ap_int<OutBits>(value);
}

// sat(rhu(value, shift)), rhu(v, s) = floor(v / 2^s + 1/2) = (((2v) >> s) + 1) >> 1, 0 <= s <= 63:
// shifted before the rounding increment, which then needs no adder as wide as the value.
template <int OutBits, int InBits>
ap_int<OutBits> round_shift(const ap_int<InBits> &value, const ap_uint<6> &shift) {
#pragma HLS INLINE
  const ap_int<InBits + 1> doubled = ap_int<InBits + 1>(value) << 1;
  const ap_int<InBits + 1> shifted = doubled >> shift;
  const ap_int<InBits + 1> rounded = (shifted + 1) >> 1;
  return saturate<OutBits>(rounded);
}

}  // namespace peritus
