// SPDX-License-Identifier: Apache-2.0
// Ordered writes of the on-chip memories, reported by sim/peritus_write_monitor.sv.
//
// One flat buffer of 32-bit words per memory; a record is {cycle lo, cycle hi, address, enable lo, enable hi,
// data...} with as many data words as the memory is wide. Off unless asked for: a frame writes tens of
// megabytes.
#pragma once

#include <cstdint>
#include <vector>

namespace peritus {

class WriteTrace {
 public:
  static constexpr unsigned MEMORIES = 8;
  static constexpr unsigned HEADER_WORDS = 5;

  bool enabled = false;

  void add(unsigned memory, std::uint64_t cycle, std::uint32_t address, std::uint64_t enable,
           const std::uint32_t *data, unsigned bits) {
    if (!enabled || memory >= MEMORIES) return;
    std::vector<std::uint32_t> &log = words_[memory];
    const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
    log.insert(log.end(), {low(cycle), low(cycle >> 32), address, low(enable), low(enable >> 32)});
    log.insert(log.end(), data, data + (bits + 31) / 32);
    record_words_[memory] = HEADER_WORDS + (bits + 31) / 32;
  }
  void clear() {
    for (auto &log : words_) log.clear();
  }
  const std::vector<std::uint32_t> &words(unsigned memory) const { return words_[memory]; }
  unsigned record_words(unsigned memory) const { return record_words_[memory]; }

 private:
  std::vector<std::uint32_t> words_[MEMORIES];
  unsigned record_words_[MEMORIES] = {};
};

}  // namespace peritus
