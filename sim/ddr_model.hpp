// SPDX-License-Identifier: Apache-2.0
// The memory behind all AXI ports: shares a sustained bandwidth among them, beat by beat.
//
// A token bucket is filled with `bandwidth` bytes a cycle; a beat costs its width. The bucket holds no more than what
// the ports can move in one cycle, so idle time is lost as it is in a real memory. Ports are served in turn, reads and
// writes alike. During a refresh nothing is granted: the sustained rate is then lower by refresh_cycles/refresh_period.
#pragma once

#include <vector>

#include "ddr_port.hpp"

namespace peritus {

class DdrModel {
 public:
  DdrModel(const DdrConfig &config, const std::vector<AxiPins> &pins)
      : config_(config),
        beat_cost_(std::uint64_t(pins.front().data_bytes) << 16),
        capacity_(config.bandwidth + beat_cost_ * pins.size()) {
    ports_.reserve(pins.size());
    for (const AxiPins &p : pins) ports_.emplace_back(ports_.size(), p, config_, violations);
  }
  DdrModel(const DdrModel &) = delete;  // the ports refer to config_ and violations

  ViolationLog violations;

  void sample(std::uint64_t cycle) {
    for (DdrPort &port : ports_) port.sample(cycle);
  }

  void drive(std::uint64_t cycle) {
    if (!refreshing(cycle)) grant(cycle);
    for (DdrPort &port : ports_) port.drive(cycle);
  }

  void reset(std::uint64_t cycle) {
    for (DdrPort &port : ports_) port.reset(cycle);
    tokens_ = 0;
  }
  void idle() {
    for (DdrPort &port : ports_) port.idle();
  }

  const std::vector<DdrPort> &ports() const { return ports_; }

 private:
  bool refreshing(std::uint64_t cycle) const {
    return config_.refresh_period && cycle % config_.refresh_period < config_.refresh_cycles;
  }

  void grant(std::uint64_t cycle) {
    tokens_ = std::min(tokens_ + config_.bandwidth, capacity_);
    const unsigned streams = 2 * ports_.size();  // even: reads, odd: writes of port stream/2
    const unsigned first = next_;
    for (unsigned i = 0; i < streams && tokens_ >= beat_cost_; ++i) {
      const unsigned stream = (first + i) % streams;
      DdrPort &port = ports_[stream / 2];
      if (stream % 2 == 0 ? !port.wants_read(cycle) : !port.wants_write()) continue;
      if (stream % 2 == 0)
        port.grant_read();
      else
        port.grant_write(cycle);
      tokens_ -= beat_cost_;
      next_ = (stream + 1) % streams;
    }
  }

  const DdrConfig config_;
  const std::uint64_t beat_cost_, capacity_;
  std::uint64_t tokens_ = 0;
  unsigned next_ = 0;
  std::vector<DdrPort> ports_;
};

}  // namespace peritus
