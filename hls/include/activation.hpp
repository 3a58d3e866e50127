// SPDX-License-Identifier: Apache-2.0
// The function between the stages of requantization: ReLU, GELU in Q.8 (ReLU minus a small even correction from a table), or
// none.
//
//   x = sat16(y),   ReLU: g = max(x, 0)   GELU: g = max(x, 0) - (|x| < 1024 ? GELU_DELTA[|x| >> 1] : 0)   none: g = y
//
// Reference: peritus.reference.activation. RTL: rtl/compute/peritus_activation.sv.

#pragma once

#include "arithmetic.hpp"
#include "peritus_config.hpp"
#include "peritus_tables.hpp"
#include "requantize.hpp"

namespace peritus {

constexpr int GELU_RANGE = 1024;  // |x| from here on needs no correction: 4.0
static_assert(2 * sizeof(tables::GELU_DELTA) == GELU_RANGE, "an entry serves two neighbouring magnitudes");

inline Int<STAGE1_BITS> activation(Int<STAGE1_BITS> y, config::Function function) {
#pragma HLS INLINE
  if (function == config::Function::NONE) return y;
  const int x = static_cast<int>(saturate<16, STAGE1_BITS>(y));
  const int relu = x < 0 ? 0 : x;
  const int magnitude = x < 0 ? -x : x;
  const bool near = function == config::Function::GELU && magnitude < GELU_RANGE;
  const int delta = near ? static_cast<int>(tables::GELU_DELTA[magnitude / 2 % (GELU_RANGE / 2)]) : 0;
  return Int<STAGE1_BITS>(relu - delta);
}

}  // namespace peritus
