// SPDX-License-Identifier: Apache-2.0
// One word of the datapath, N values side by side; and logarithms of its sizes.

#pragma once

namespace peritus {

template <typename T, int N>
struct Lanes {
  static_assert(N > 0, "a word has at least one lane");
  T lane[N];
};

// Bits that count up to n - 1: ceil(log2(n)).
constexpr int clog2(int n) {
  int bits = 0;
  for (; (1 << bits) < n; ++bits) {
  }
  return bits;
}

}  // namespace peritus
