// SPDX-License-Identifier: Apache-2.0
// In C simulation, an ordered record of what is written into the on-chip memories: the same as the write monitors of
// the simulated RTL make (sim/peritus_write_monitor.sv), so that the mismatch locator reads either. Nothing in hardware.

#pragma once

#include "peritus_config.hpp"

#ifndef PERITUS_WRITE_LOG

namespace peritus {
template <int BITS, typename Lane>
inline void log_write(int, int, int, int, const Lane *) {}
}  // namespace peritus

#else

#include "write_trace.hpp"

namespace peritus {

inline thread_local WriteTrace *write_trace = nullptr;  // of the job that this thread runs

// Lanes first .. first + count - 1 of the word at `address` are written; `lane`: all PN of them.
template <int BITS, typename Lane>
inline void log_write(int memory, int address, int first, int count, const Lane *lane) {
  if (write_trace == nullptr) return;
  constexpr int PART = config::AXI_BYTES < config::PK ? config::AXI_BYTES : config::PK;  // has an enable of its own
  std::uint64_t enable = 0;
  for (int part = first / PART; part < (first + count) / PART; ++part) enable |= std::uint64_t(1) << part;
  std::uint32_t packed[(BITS * config::PN + 31) / 32] = {};
  for (int n = 0; n < config::PN; ++n) {
    const auto value = static_cast<std::uint32_t>(static_cast<int>(lane[n]));
    for (int bit = 0; bit < BITS; ++bit) {
      const int at = n * BITS + bit;
      packed[at / 32] |= (value >> bit & 1u) << at % 32;
    }
  }
  write_trace->add(memory, 0, address, enable, packed, BITS * config::PN);
}

}  // namespace peritus

#endif
