// SPDX-License-Identifier: Apache-2.0
// Leading zeros, rounded down to a multiple of 2^DROP, and the value shifted left by as many: a logarithmic shifter, each step
// tests and removes half as many zeros as the one before. Value 0 stays 0 and has the largest count.
//
// RTL: rtl/common/peritus_normalize.sv.

#pragma once

#include "integers.hpp"
#include "lanes.hpp"

namespace peritus {

template <int WIDTH>
struct Normal {
  UInt<WIDTH> value;
  int zeros;
};

template <int WIDTH, int DROP>
inline Normal<WIDTH> normalize(UInt<WIDTH> value) {
#pragma HLS INLINE
  static_assert(DROP < clog2(WIDTH) && WIDTH < 64, "some step must be left");
  std::uint64_t bits = static_cast<std::uint64_t>(value);  // no step shifts a one beyond WIDTH
  int zeros = 0;
  for (int step = clog2(WIDTH) - 1; step >= DROP; --step) {
#pragma HLS UNROLL
    const int count = 1 << step;
    if (bits >> (WIDTH - count) == 0) {
      bits = bits << count & ((std::uint64_t(1) << WIDTH) - 1);
      zeros += count;
    }
  }
  return {UInt<WIDTH>(bits), zeros};
}

}  // namespace peritus
