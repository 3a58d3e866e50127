// SPDX-License-Identifier: Apache-2.0
// The function between the stages of requantization: ReLU, GELU in Q.8 (ReLU minus a small even correction from a table), or
// none.
//
//   x = sat16(y),   ReLU: g = max(x, 0)   GELU: g = max(x, 0) - (|x| < 1024 ? GELU_DELTA[|x| >> 1] : 0)   none: g = y
//
// Reference: peritus.reference.activation; RTL: rtl/compute/peritus_activation.sv.

#pragma once

#include "ap_int.h"
#include "arithmetic.hpp"
#include "hls_stream.h"
#include "lanes.hpp"
#include "peritus_config.hpp"
#include "peritus_tables.hpp"
#include "requantize.hpp"

namespace peritus {

constexpr int ACTIVATION_BITS = 16;  // of the saturated input
constexpr int GELU_RANGE = 1024;     // |x| from here on needs no correction: 4.0
constexpr int GELU_ENTRIES = sizeof(tables::GELU_DELTA) / sizeof(tables::GELU_DELTA[0]);
static_assert(2 * GELU_ENTRIES == GELU_RANGE, "an entry serves two neighbouring magnitudes");

inline ap_int<STAGE1_BITS> activation(const ap_int<STAGE1_BITS> &y, config::Function function) {
#pragma HLS INLINE
  if (function == config::Function::NONE) return y;
  const ap_int<ACTIVATION_BITS> x = saturate<ACTIVATION_BITS>(y);
  const bool negative = x < 0;
  const ap_uint<ACTIVATION_BITS> magnitude =
      negative ? ap_int<ACTIVATION_BITS + 1>(-x) : ap_int<ACTIVATION_BITS + 1>(x);
  const ap_int<STAGE1_BITS> relu = negative ? ap_int<STAGE1_BITS>(0) : ap_int<STAGE1_BITS>(x);
  if (function == config::Function::RELU || magnitude >= GELU_RANGE) return relu;
  return relu - ap_int<STAGE1_BITS>(tables::GELU_DELTA[(magnitude >> 1).to_uint()]);
}

}  // namespace peritus

// Top function: g = function(y) for words of `tokens` tokens.
void peritus_activation(hls::stream<peritus::Stage1Word> &values, hls::stream<peritus::Stage1Word> &results,
                        peritus::TokenCount tokens, peritus::config::Function function);
