// SPDX-License-Identifier: Apache-2.0
// One update of a residual value, 16 bits with room for unsaturated contributions of experts.
//
//   RES_SET: z;   RES_ADD: sat16(sat16(old) + z);   RES_ACC: old + z, saturated by who reads it
//
// Reference: peritus.reference.residual. RTL: rtl/compute/peritus_write_back.sv.

#pragma once

#include "arithmetic.hpp"
#include "peritus_config.hpp"

namespace peritus {

inline Int<config::RES_W> residual(Int<config::RES_W> old, Int<16> z, config::Dest how) {
#pragma HLS INLINE
  constexpr int W = config::RES_W;
  if (how == config::Dest::RES_SET) return Int<W>(z);
  if (how == config::Dest::RES_ACC) return Int<W>(Int<W>(old) + Int<W>(z));
  const Int<17> sum = Int<17>(Int<17>(saturate<16, W>(old)) + Int<17>(z));
  return Int<W>(saturate<16, 17>(sum));
}

// Activations are 8 bits, hidden ones with a zero point; keys and values, stationary operands two of which share a
// multiplier, stay within +-127.
inline Int<8> narrow(Int<16> z, config::Dest where) {
#pragma HLS INLINE
  if (where == config::Dest::HIDDEN) return saturate<8, 17>(Int<17>(Int<17>(z) - Int<17>(config::HIDDEN_OFFSET)));
  const Int<8> value = saturate<8, 16>(z);
  return where == config::Dest::KV && value == Int<8>(-128) ? Int<8>(-127) : value;
}

}  // namespace peritus
