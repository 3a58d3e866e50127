// SPDX-License-Identifier: Apache-2.0
// What registers and on-chip memories hold before the reset; peritus.runtime.rtl.power_up has the patterns.
#pragma once

#include <cstdint>
#include <memory>

#include "verilated.h"

namespace peritus {

// pattern: 0 zeros, 1 ones, 2 random by `seed`, which is not 0 (Verilator would take the time).
inline std::unique_ptr<VerilatedContext> powered_up(std::uint32_t pattern, std::uint32_t seed) {
  auto context = std::make_unique<VerilatedContext>();
  context->randReset(int(pattern));
  context->randSeed(int(seed));
  return context;
}

}  // namespace peritus
