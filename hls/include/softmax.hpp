// SPDX-License-Identifier: Apache-2.0
// The single-pass softmax: row maxima run along while scores are written, probabilities are looked up while they stream.
//
//   p = keep ? EXP_TABLE[min(maximum - score, 255)] : 0;   maximum over the valid lanes of a row's score words
//
// Scores are in 1/16 octaves; maximum is at least every kept score.
// Reference: peritus.reference.softmax. RTL: rtl/compute/peritus_exp_lookup.sv, peritus_softmax_rows.sv.

#pragma once

#include "integers.hpp"
#include "lanes.hpp"
#include "peritus_tables.hpp"

namespace peritus {

inline UInt<8> probability(Int<16> score, Int<16> maximum, bool keep) {
#pragma HLS INLINE
  const int distance = static_cast<int>(maximum) - static_cast<int>(score);
  // Seen as unsigned: what is not kept may lie above the maximum.
  const int index = static_cast<unsigned>(distance) > 255u ? 255 : distance;
  return keep ? UInt<8>(tables::EXP_TABLE[index]) : UInt<8>(0);
}

// The maximum of a row after one more word, of which `valid` lanes count; first: there was none before. A tree, whose depth
// is the logarithm of N.
template <int N>
inline Int<16> larger_maximum(const Lanes<Int<16>, N> &word, int valid, Int<16> before, bool first) {
#pragma HLS INLINE
  static_assert((N & (N - 1)) == 0, "a tree of powers of two");
  Int<16> node[N];
  for (int n = 0; n < N; ++n) {
#pragma HLS UNROLL
    node[n] = n < valid ? word.lane[n] : Int<16>(-32768);
  }
  for (int width = N / 2; width > 0; width /= 2) {
#pragma HLS UNROLL
    for (int n = 0; n < width; ++n) {
#pragma HLS UNROLL
      node[n] = node[2 * n + 1] < node[2 * n] ? node[2 * n] : node[2 * n + 1];
    }
  }
  return !first && node[0] < before ? before : node[0];
}

}  // namespace peritus
