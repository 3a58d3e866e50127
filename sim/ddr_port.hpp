// SPDX-License-Identifier: Apache-2.0
// One AXI4 slave port of the DDR model: burst queues, latency, data transfer and protocol checks.
//
// Timing: the first R beat of a burst is accepted by an idle master `read_latency` (+ 0..jitter) cycles after its
// address; bursts of a port answer in order. Every beat, read or written, must be granted by the DDR model, which
// shares the bandwidth among the ports. Written beats enter a buffer of BUFFERED_WRITES beats first; B follows the
// grant of the last beat by `write_latency` cycles.
#pragma once

#include <algorithm>
#include <cstring>

#include "axi.hpp"
#include "ddr_config.hpp"
#include "fifo.hpp"
#include "violations.hpp"

namespace peritus {

class DdrPort {
 public:
  static constexpr unsigned MAX_BEATS = 16;
  static constexpr unsigned ALIGNMENT = 64;
  static constexpr unsigned BUFFERED_WRITES = 32;

  DdrPort(unsigned index, const AxiPins &pins, const DdrConfig &config, ViolationLog &log)
      : index_(index), pins_(pins), config_(config), log_(log), random_(config.seed * 4 + index + 1) {}

  std::uint64_t read_bytes = 0, write_bytes = 0;

  // Before the clock edge: note the handshakes that the edge sees. The pins stay as they are.
  void sample(std::uint64_t cycle) {
    check_stability(cycle);
    if (*pins_.arvalid && *pins_.arready) accept_read(cycle);
    if (*pins_.rvalid && *pins_.rready) finish_read_beat();
    if (*pins_.awvalid && *pins_.awready) accept_write(cycle);
    if (*pins_.wvalid && *pins_.wready) accept_write_beat(cycle);
    if (*pins_.bvalid && *pins_.bready) {
      b_valid_ = false;
      writes_.pop();
    }
  }

  // After the clock edge: a beat that is due and waits for a share of the bandwidth?
  bool wants_read(std::uint64_t cycle) const {
    return !r_valid_ && !reads_.empty() && cycle + 1 >= reads_.front().due && !stalled_;
  }
  bool wants_write() const { return buffered_ != 0; }

  void grant_read() {
    const Read &burst = reads_.front();
    if (burst.mapped)
      std::memcpy(pins_.rdata, config_.memory + (burst.address - config_.base), pins_.data_bytes);
    else
      std::memset(pins_.rdata, 0, pins_.data_bytes);
    *pins_.rresp = burst.mapped ? RESP_OKAY : RESP_SLVERR;
    *pins_.rlast = burst.beats == 1;
    r_valid_ = true;
  }

  void grant_write(std::uint64_t cycle) {
    --buffered_;
    for (unsigned i = 0; i < writes_.size(); ++i) {  // the oldest burst that still has beats to drain
      Write &burst = writes_[i];
      if (burst.undrained == 0) continue;
      if (--burst.undrained == 0) burst.due = cycle + config_.write_latency + jitter();
      return;
    }
  }

  // After the grants: everything that does not depend on the bandwidth.
  void drive(std::uint64_t cycle) {
    stalled_ = config_.stall && random_() % 256 < config_.stall;
    const bool hold = config_.stall && random_() % 256 < config_.stall;
    *pins_.arready = reads_.size() < config_.outstanding && !hold;
    *pins_.awready = writes_.size() < config_.outstanding && !hold;
    *pins_.wready = unreceived_ != 0 && buffered_ < BUFFERED_WRITES && !hold;
    if (!b_valid_ && !writes_.empty()) {
      const Write &burst = writes_.front();
      b_valid_ = burst.undrained == 0 && cycle + 1 >= burst.due && !hold;
      *pins_.bresp = burst.mapped ? RESP_OKAY : RESP_SLVERR;
    }
    *pins_.rvalid = r_valid_;
    *pins_.bvalid = b_valid_;
  }

  // In reset: forget everything in flight and hold the channels idle.
  void reset(std::uint64_t cycle) {
    if (*pins_.arvalid) log_.add(cycle, index_, Fault::ValidInReset, *pins_.araddr);
    if (*pins_.awvalid) log_.add(cycle, index_, Fault::ValidInReset, *pins_.awaddr);
    idle();
  }
  void idle() {
    reads_.clear();
    writes_.clear();
    buffered_ = unreceived_ = 0;
    r_valid_ = b_valid_ = false;
    ar_wait_ = aw_wait_ = w_wait_ = false;
    *pins_.arready = *pins_.rvalid = *pins_.awready = *pins_.wready = *pins_.bvalid = 0;
  }

 private:
  struct Read {
    std::uint64_t address, due;
    unsigned beats;
    bool mapped;
  };
  struct Write {
    std::uint64_t address, due;
    unsigned unreceived, undrained;
    bool mapped;
  };
  struct Request {
    QData address;
    CData len, size, burst;
    bool operator==(const Request &o) const {
      return address == o.address && len == o.len && size == o.size && burst == o.burst;
    }
  };

  Request ar() const { return {*pins_.araddr, *pins_.arlen, *pins_.arsize, *pins_.arburst}; }
  Request aw() const { return {*pins_.awaddr, *pins_.awlen, *pins_.awsize, *pins_.awburst}; }

  // AXI4 A3.2.1: VALID and its payload hold until READY.
  void check_stability(std::uint64_t cycle) {
    if (ar_wait_ && !(*pins_.arvalid && ar() == ar_held_)) log_.add(cycle, index_, Fault::UnstableAr, ar_held_.address);
    if (aw_wait_ && !(*pins_.awvalid && aw() == aw_held_)) log_.add(cycle, index_, Fault::UnstableAw, aw_held_.address);
    if (w_wait_ && !(*pins_.wvalid && *pins_.wlast == w_last_held_ && strobe() == w_strobe_held_ &&
                     !std::memcmp(pins_.wdata, w_held_, pins_.data_bytes)))
      log_.add(cycle, index_, Fault::UnstableW, next_write_address());
    if ((ar_wait_ = *pins_.arvalid && !*pins_.arready)) ar_held_ = ar();
    if ((aw_wait_ = *pins_.awvalid && !*pins_.awready)) aw_held_ = aw();
    if ((w_wait_ = *pins_.wvalid && !*pins_.wready)) {
      std::memcpy(w_held_, pins_.wdata, pins_.data_bytes);
      w_strobe_held_ = strobe();
      w_last_held_ = *pins_.wlast;
    }
  }

  void check_burst(std::uint64_t cycle, const Request &request) {
    const unsigned beats = request.len + 1u;
    const std::uint64_t last = request.address + std::uint64_t(beats) * pins_.data_bytes - 1;
    const auto fault = [&](bool bad, Fault kind) {
      if (bad) log_.add(cycle, index_, kind, request.address);
    };
    fault(beats > MAX_BEATS, Fault::BurstLength);
    fault(request.burst != BURST_INCR, Fault::BurstType);
    fault(1u << request.size != pins_.data_bytes, Fault::BurstSize);
    fault(request.address % ALIGNMENT != 0, Fault::Alignment);
    fault(request.address >> 12 != last >> 12, Fault::Boundary4K);
  }

  bool mapped(const Request &request) const {
    const std::uint64_t bytes = (request.len + 1ull) * pins_.data_bytes;
    return request.address >= config_.base && bytes <= config_.size &&
           request.address - config_.base <= config_.size - bytes;
  }

  void accept_read(std::uint64_t cycle) {
    const Request request = ar();
    check_burst(cycle, request);
    const bool in_memory = mapped(request);
    if (!in_memory) log_.add(cycle, index_, Fault::UnmappedRead, request.address);
    reads_.push({request.address, cycle + config_.read_latency + jitter(), request.len + 1u, in_memory});
  }

  void finish_read_beat() {
    r_valid_ = false;
    read_bytes += pins_.data_bytes;
    Read &burst = reads_.front();
    burst.address += pins_.data_bytes;
    if (--burst.beats == 0) reads_.pop();
  }

  void accept_write(std::uint64_t cycle) {
    const Request request = aw();
    check_burst(cycle, request);
    const bool in_memory = mapped(request);
    if (!in_memory) log_.add(cycle, index_, Fault::UnmappedWrite, request.address);
    const unsigned beats = request.len + 1u;
    writes_.push({request.address, 0, beats, beats, in_memory});
    unreceived_ += beats;
  }

  void accept_write_beat(std::uint64_t cycle) {
    Write *burst = &writes_[0];
    for (unsigned i = 0; burst->unreceived == 0; burst = &writes_[++i]) {
    }
    if (burst->mapped) {
      std::uint8_t *to = config_.memory + (burst->address - config_.base);
      const std::uint32_t enable = strobe();
      for (unsigned i = 0; i < pins_.data_bytes; ++i)
        if (enable >> i & 1) to[i] = pins_.wdata[i];
    }
    burst->address += pins_.data_bytes;
    --burst->unreceived;
    if (bool(*pins_.wlast) != (burst->unreceived == 0)) log_.add(cycle, index_, Fault::WriteLast, burst->address);
    --unreceived_;
    ++buffered_;
    write_bytes += pins_.data_bytes;
  }

  std::uint64_t next_write_address() const {
    for (unsigned i = 0; i < writes_.size(); ++i)
      if (writes_[i].unreceived) return writes_[i].address;
    return 0;
  }
  std::uint32_t strobe() const {
    std::uint32_t bits = 0;
    std::memcpy(&bits, pins_.wstrb, (pins_.data_bytes + 7) / 8);
    return bits;
  }
  unsigned jitter() { return config_.jitter ? random_() % (config_.jitter + 1) : 0; }

  const unsigned index_;
  const AxiPins pins_;
  const DdrConfig &config_;
  ViolationLog &log_;
  Random random_;
  Fifo<Read, DdrConfig::MAX_OUTSTANDING> reads_;
  Fifo<Write, DdrConfig::MAX_OUTSTANDING> writes_;  // until their B response is taken
  unsigned unreceived_ = 0;                         // beats still to come on W for accepted addresses
  unsigned buffered_ = 0;                           // beats received but not yet granted
  bool r_valid_ = false, b_valid_ = false;          // driven after the next edge
  bool stalled_ = false;                            // reads are held back in this cycle
  bool ar_wait_ = false, aw_wait_ = false, w_wait_ = false;
  Request ar_held_{}, aw_held_{};
  std::uint8_t w_held_[64] = {};
  std::uint32_t w_strobe_held_ = 0;
  CData w_last_held_ = 0;
};

}  // namespace peritus
