// SPDX-License-Identifier: Apache-2.0
// The best experts of a token and their scores, a softmax over all experts without renormalization.
//
//   d = max - logit,   e = EXP2_TABLE[d & 255] >> (d >> 8),   (r, sh) = reciprocal(sum of e over all experts)
//   score = min(32768, rhu(e r, sh - 15)),   Q1.15, 32768 = 1.0;   best first, lowest index wins ties
//
// Reference: peritus.reference.router. RTL: rtl/compute/peritus_gate_score.sv, peritus_topk_stage.sv, peritus_gate_exp.sv.

#pragma once

#include "lanes.hpp"
#include "reciprocal.hpp"
#include "requantize.hpp"

namespace peritus {

// The largest of the candidates, a bit for each of N values; the lowest index wins. Undefined without a candidate.
template <int N>
inline int best_of(const Int<16> (&value)[N], std::uint64_t candidates) {
#pragma HLS INLINE
  static_assert(N <= 64, "a bit for each");
  bool found = false;
  int best = 0;
  Int<16> largest = 0;
  for (int i = 0; i < N; ++i) {
#pragma HLS UNROLL
    if ((candidates >> i & 1) && (!found || largest < value[i])) {
      found = true;
      best = i;
      largest = value[i];
    }
  }
  return best;
}

// Numerator of a softmax, 2^15 at the maximum; logits are in 1/256 octaves and not above it.
inline UInt<16> gate_exp(Int<16> maximum, Int<16> logit) {
#pragma HLS INLINE
  const int distance = static_cast<int>(maximum) - static_cast<int>(logit);
  const int octaves = distance >> 8;
  return octaves < 16 ? UInt<16>(tables::EXP2_TABLE[distance & 255] >> (octaves & 15)) : UInt<16>(0);
}

inline UInt<16> gate_score(UInt<16> e, const Mantissa &sum) {
#pragma HLS INLINE
  constexpr int ONE = 32768;
  const int score = static_cast<int>(
      requantize<17, 17>(Int<17>(e), sum.r, UInt<6>(static_cast<int>(sum.shift) - 15)));
  return UInt<16>(score > ONE ? ONE : score);
}

}  // namespace peritus
