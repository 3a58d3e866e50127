// SPDX-License-Identifier: Apache-2.0
// What the read and the write side of a port share: the rules for bursts, the map of the memory, random
// delays.
#pragma once

#include "axi.hpp"
#include "ddr_config.hpp"
#include "fifo.hpp"
#include "open_access.hpp"
#include "violations.hpp"

namespace peritus {

class Channel {
 public:
  static constexpr unsigned MAX_BEATS = 16;
  static constexpr unsigned ALIGNMENT = 64;

 protected:
  Channel(unsigned port, const DdrConfig &config, ViolationLog &log, std::uint64_t seed)
      : config_(config), port_(port), random_(seed), log_(log) {}

  void report(std::uint64_t cycle, Fault fault, std::uint64_t address) {
    log_.add(cycle, port_, fault, address);
  }

  void check_burst(std::uint64_t cycle, const Request &request, unsigned data_bytes) {
    const std::uint64_t last = request.address + std::uint64_t(request.beats()) * data_bytes - 1;
    if (request.beats() > MAX_BEATS) report(cycle, Fault::BurstLength, request.address);
    if (request.burst != BURST_INCR) report(cycle, Fault::BurstType, request.address);
    if (1u << request.size != data_bytes) report(cycle, Fault::BurstSize, request.address);
    if (request.address % ALIGNMENT) report(cycle, Fault::Alignment, request.address);
    if (request.address >> 12 != last >> 12) report(cycle, Fault::Boundary4K, request.address);
  }

  bool mapped(const Request &request, unsigned data_bytes) const {
    const std::uint64_t bytes = std::uint64_t(request.beats()) * data_bytes;
    return request.address >= config_.base && bytes <= config_.size &&
           request.address - config_.base <= config_.size - bytes;
  }
  std::uint8_t *at(std::uint64_t address) const { return config_.memory + (address - config_.base); }

  unsigned jitter() { return config_.jitter ? random_() % (config_.jitter + 1) : 0; }
  bool stall() { return config_.stall && random_() % 256 < config_.stall; }

  bool listed_in(std::uint32_t ports) const { return ports >> port_ & 1; }

  const DdrConfig &config_;
  const unsigned port_;
  std::uint64_t since_ = 0;  // cycle of the last handshake: of a beat, a response, or an address while idle

 private:
  Random random_;
  ViolationLog &log_;
};

}  // namespace peritus
