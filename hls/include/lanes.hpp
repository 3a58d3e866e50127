// SPDX-License-Identifier: Apache-2.0
// One word of the datapath: N values side by side.

#pragma once

namespace peritus {

template <typename T, int N>
struct Lanes {
  static_assert(N > 0, "a word has at least one lane");
  T lane[N];
};

}  // namespace peritus
