// SPDX-License-Identifier: Apache-2.0
// A bandwidth: `rate` flows in each cycle, whoever transfers takes it out. What does not fit is lost, as idle
// time is in a real memory. In 1/65536 byte. A rate of 0 is no limit.
#pragma once

#include <algorithm>
#include <cstdint>

namespace peritus {

class TokenBucket {
 public:
  // Holds one cycle's inflow and `beats` beats of `cost`.
  TokenBucket(std::uint64_t rate, std::uint64_t cost, unsigned beats)
      : rate_(rate), cost_(cost), capacity_(rate + cost * beats) {}

  void fill() { tokens_ = std::min(tokens_ + rate_, capacity_); }
  bool has_beat() const { return !rate_ || tokens_ >= cost_; }
  void take_beat() {
    if (rate_) tokens_ -= cost_;
  }
  void empty() { tokens_ = 0; }

 private:
  std::uint64_t rate_, cost_, capacity_, tokens_ = 0;
};

}  // namespace peritus
