// SPDX-License-Identifier: Apache-2.0
// The memory behind all AXI ports: shares a sustained bandwidth among them, beat by beat.
//
// Token buckets are filled each cycle: one for the memory, one for each port, one for each port of the memory
// controller that several AXI ports share. A beat takes its width out of all that it passes. A bucket holds no
// more than one cycle's inflow and one beat of each of its channels. Channels are served in turn. During a
// refresh nothing is granted: the sustained rate is then lower by refresh_cycles / refresh_period.
#pragma once

#include <vector>

#include "read_channel.hpp"
#include "token_bucket.hpp"
#include "write_channel.hpp"

namespace peritus {

class DdrModel {
 public:
  DdrModel(const DdrConfig &config, const std::vector<ReadPins> &read_pins,
           const std::vector<WritePins> &write_pins)
      : config_(config),
        total_(config.bandwidth, cost(read_pins), read_pins.size() + write_pins.size()) {
    for (unsigned port = 0; port < DdrConfig::MAX_PORTS; ++port) {
      limits_.emplace_back(config.port_bandwidth[port], cost(read_pins), 2);
      limits_.emplace_back(config.shared_bandwidth, cost(read_pins), 2 * DdrConfig::MAX_PORTS);
    }
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
    total_.empty();
    for (TokenBucket &limit : limits_) limit.empty();
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

  // A beat takes its port's width; all ports are alike.
  static std::uint64_t cost(const std::vector<ReadPins> &pins) {
    return std::uint64_t(pins.front().data_bytes) << 16;
  }

  void grant(std::uint64_t cycle) {
    total_.fill();
    for (TokenBucket &limit : limits_) limit.fill();
    const unsigned channels = readers_.size() + writers_.size();
    const unsigned first = next_;
    for (unsigned i = 0; i < channels && total_.has_beat(); ++i) {
      const unsigned channel = (first + i) % channels;
      const unsigned port = channel < readers_.size() ? channel : channel - readers_.size();
      TokenBucket &own = limits_[2 * port], &shared = limits_[2 * config_.group[port] + 1];
      if (!own.has_beat() || !shared.has_beat()) continue;
      if (channel < readers_.size()) {
        if (!readers_[channel].wants(cycle)) continue;
        readers_[channel].grant();
      } else {
        if (!writers_[port].wants()) continue;
        writers_[port].grant(cycle);
      }
      total_.take_beat();
      own.take_beat();
      shared.take_beat();
      next_ = (channel + 1) % channels;
    }
  }

  const DdrConfig config_;
  TokenBucket total_;
  std::vector<TokenBucket> limits_;  // of port n at 2 n, of group n at 2 n + 1
  unsigned next_ = 0;
  std::vector<ReadChannel> readers_;
  std::vector<WriteChannel> writers_;
};

}  // namespace peritus
