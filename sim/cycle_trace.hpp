// SPDX-License-Identifier: Apache-2.0
// What the machine was at, cycle by cycle, reported by sim/peritus_cycle_monitor.sv: one record for each change of
// instruction or cause, which holds until the next. Off unless asked for.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace peritus {

class CycleTrace {
 public:
  // Layout shared with Python (peritus.runtime.rtl.harness).
  struct Change {
    std::uint64_t cycle;
    std::uint32_t instruction, cause;
  };

  bool enabled = false;

  void add(std::uint64_t cycle, std::uint32_t instruction, const char *cause) {
    if (enabled) changes_.push_back({cycle, instruction, number(cause)});
  }
  void clear() { changes_.clear(); }
  const std::vector<Change> &changes() const { return changes_; }
  // Causes by number; null behind the last.
  const char *name(std::size_t cause) const { return cause < names_.size() ? names_[cause].c_str() : nullptr; }

 private:
  std::uint32_t number(const char *cause) {
    const auto found = std::find(names_.begin(), names_.end(), cause);
    if (found != names_.end()) return found - names_.begin();
    names_.push_back(cause);
    return names_.size() - 1;
  }

  std::vector<Change> changes_;
  std::vector<std::string> names_;
};

}  // namespace peritus
