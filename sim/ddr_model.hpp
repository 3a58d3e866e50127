// SPDX-License-Identifier: Apache-2.0
// The memory behind all AXI ports: shares a sustained bandwidth among them, beat by beat.
//
// A token bucket is filled with `bandwidth` bytes a cycle; a beat costs its width. The bucket holds no more
// than one cycle's inflow and one beat of each channel, so idle time is lost as it is in a real memory.
// Channels are served in turn. During a refresh nothing is granted: the sustained rate is then lower by
// refresh_cycles / refresh_period.
#pragma once

#include <algorithm>
#include <vector>

#include "read_channel.hpp"
#include "write_channel.hpp"

namespace peritus {

class DdrModel {
 public:
  DdrModel(const DdrConfig &config, const std::vector<ReadPins> &read_pins,
           const std::vector<WritePins> &write_pins)
      : config_(config),
        beat_cost_(std::uint64_t(read_pins.front().data_bytes) << 16),
        capacity_(config.bandwidth + beat_cost_ * (read_pins.size() + write_pins.size())) {
    for (const ReadPins &pins : read_pins)
      readers_.emplace_back(readers_.size(), pins, config_, violations);
    for (const WritePins &pins : write_pins)
      writers_.emplace_back(writers_.size(), pins, config_, violations);
  }
  DdrModel(const DdrModel &) = delete;  // the channels refer to config_ and violations

  ViolationLog violations;

  void sample(std::uint64_t cycle) {
    for (ReadChannel &reader : readers_) reader.sample(cycle);
    for (WriteChannel &writer : writers_) writer.sample(cycle);
  }
  void drive(std::uint64_t cycle) {
    if (!refreshing(cycle)) grant(cycle);
    for (ReadChannel &reader : readers_) reader.drive();
    for (WriteChannel &writer : writers_) writer.drive(cycle);
  }

  // Forget everything in flight.
  void idle() {
    for (ReadChannel &reader : readers_) reader.idle();
    for (WriteChannel &writer : writers_) writer.idle();
    tokens_ = 0;
  }
  void check_reset(std::uint64_t cycle) {
    for (ReadChannel &reader : readers_) reader.check_reset(cycle);
    for (WriteChannel &writer : writers_) writer.check_reset(cycle);
  }

  const std::vector<ReadChannel> &readers() const { return readers_; }
  const std::vector<WriteChannel> &writers() const { return writers_; }

 private:
  bool refreshing(std::uint64_t cycle) const {
    return config_.refresh_period && cycle % config_.refresh_period < config_.refresh_cycles;
  }

  void grant(std::uint64_t cycle) {
    tokens_ = std::min(tokens_ + config_.bandwidth, capacity_);
    const unsigned channels = readers_.size() + writers_.size();
    const unsigned first = next_;
    for (unsigned i = 0; i < channels && tokens_ >= beat_cost_; ++i) {
      const unsigned channel = (first + i) % channels;
      if (channel < readers_.size()) {
        if (!readers_[channel].wants(cycle)) continue;
        readers_[channel].grant();
      } else {
        WriteChannel &writer = writers_[channel - readers_.size()];
        if (!writer.wants()) continue;
        writer.grant(cycle);
      }
      tokens_ -= beat_cost_;
      next_ = (channel + 1) % channels;
    }
  }

  const DdrConfig config_;
  const std::uint64_t beat_cost_, capacity_;
  std::uint64_t tokens_ = 0;
  unsigned next_ = 0;
  std::vector<ReadChannel> readers_;
  std::vector<WriteChannel> writers_;
};

}  // namespace peritus
