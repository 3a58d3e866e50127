// SPDX-License-Identifier: Apache-2.0
// Reciprocal and reciprocal square root, each by table and one Newton step.
//
//   1 / v ~ r 2^-shift, 1 <= v < 2^24:  u = v normalized to [2^15, 2^16),  T = RECIPROCAL_TABLE[(u >> 7) & 255],
//     t = 2^32 - u T,  r = min(65535, (T (t >> 15) + 2^15) >> 16),  shift = 16 + floor(log2(v))
//   1 / sqrt(v) ~ r 2^-(16 + half), 1 <= v < 2^48:  h = floor(log2(v)) rounded down to even,  half = h / 2,
//     u = v normalized to [2^16, 2^18),  T = RSQRT_TABLE[(u >> 9) - 128],  a = T^2 >> 16,
//     c = (3 2^32 - u a) >> 16,  r = min(65535, (T c + 2^16) >> 17)
//
// Reference: peritus.reference.reciprocal, rsqrt. RTL: rtl/compute/peritus_reciprocal.sv, peritus_rsqrt.sv.

#pragma once

#include "normalize.hpp"
#include "peritus_tables.hpp"

namespace peritus {

// r 2^-shift, of a reciprocal; r 2^-(16 + shift), of a reciprocal square root.
struct Mantissa {
  UInt<16> r;
  UInt<6> shift;
};

inline UInt<16> at_most_65535(UInt<17> value) {
#pragma HLS INLINE
  return UInt<16>(value > UInt<17>(65535) ? UInt<17>(65535) : value);
}

// r of u, the normalized value.
inline UInt<16> newton_reciprocal(UInt<16> u) {
#pragma HLS INLINE
  const UInt<16> table = tables::RECIPROCAL_TABLE[static_cast<int>(u) >> 7 & 255];
  const Int<34> t = Int<34>(Int<34>(std::int64_t(1) << 32) - Int<34>(u) * Int<34>(table));
  const UInt<34> refined = UInt<34>(UInt<34>(table) * UInt<34>(t >> 15));
  return at_most_65535(UInt<17>((refined + UInt<34>(1 << 15)) >> 16));
}

inline UInt<16> newton_rsqrt(UInt<18> u) {
#pragma HLS INLINE
  const int index = (static_cast<int>(u) >> 9) - 128;  // 0 or more, as u is normalized
  const UInt<16> table = tables::RSQRT_TABLE[index < 0 ? 0 : index];
  const UInt<32> square = UInt<32>(UInt<32>(table) * UInt<32>(table));
  const Int<35> product = Int<35>(Int<35>(u) * Int<35>(square >> 16));
  const UInt<35> c = UInt<35>((Int<35>(3 * (std::int64_t(1) << 32)) - product) >> 16);
  const UInt<35> refined = UInt<35>(UInt<35>(table) * c);
  return at_most_65535(UInt<17>((refined + UInt<35>(1 << 16)) >> 17));
}

// The exponents, from the leading zeros that normalization removed.
inline UInt<6> reciprocal_shift(int zeros) { return UInt<6>(39 - zeros); }
inline UInt<6> rsqrt_half(int zeros) { return UInt<6>((46 - zeros) >> 1); }

inline Mantissa reciprocal(UInt<24> v) {
#pragma HLS INLINE
  const Normal<24> normal = normalize<24, 0>(v);
  return {newton_reciprocal(UInt<16>(normal.value >> 8)), reciprocal_shift(normal.zeros)};
}

inline Mantissa rsqrt(UInt<48> v) {
#pragma HLS INLINE
  const Normal<48> normal = normalize<48, 1>(v);
  return {newton_rsqrt(UInt<18>(normal.value >> 30)), rsqrt_half(normal.zeros)};
}

}  // namespace peritus
