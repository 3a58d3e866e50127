// SPDX-License-Identifier: Apache-2.0
// GELU in Q.8 as ReLU minus a small even correction from a table.
//
//   x = sat16(y),   g = max(x, 0) - (|x| < 1024 ? GELU_DELTA[|x| >> 1] : 0)
//
// Reference: peritus.reference.gelu; RTL: rtl/compute/peritus_gelu.sv.

#pragma once

#include "ap_int.h"
#include "arithmetic.hpp"
#include "peritus_config.hpp"
#include "hls_stream.h"
#include "lanes.hpp"
#include "peritus_tables.hpp"
#include "requantize.hpp"

namespace peritus {

constexpr int GELU_BITS = 16;     // of the saturated input
constexpr int GELU_RANGE = 1024;  // |x| from here on needs no correction: 4.0
constexpr int GELU_ENTRIES = sizeof(tables::GELU_DELTA) / sizeof(tables::GELU_DELTA[0]);
static_assert(2 * GELU_ENTRIES == GELU_RANGE, "an entry serves two neighbouring magnitudes");

inline ap_int<STAGE1_BITS> gelu(const ap_int<STAGE1_BITS> &y) {
#pragma HLS INLINE
  const ap_int<GELU_BITS> x = saturate<GELU_BITS>(y);
  const bool negative = x < 0;
  const ap_uint<GELU_BITS> magnitude = negative ? ap_int<GELU_BITS + 1>(-x) : ap_int<GELU_BITS + 1>(x);
  const ap_int<STAGE1_BITS> relu = negative ? ap_int<STAGE1_BITS>(0) : ap_int<STAGE1_BITS>(x);
  if (magnitude >= GELU_RANGE) return relu;
  return relu - ap_int<STAGE1_BITS>(tables::GELU_DELTA[(magnitude >> 1).to_uint()]);
}

}  // namespace peritus

// Top function: g = gelu(y) where `apply` is set, else g = y, for words of `tokens` tokens.
void peritus_gelu(hls::stream<peritus::Stage1Word> &values, hls::stream<peritus::Stage1Word> &results,
                  peritus::TokenCount tokens, bool apply);
