// SPDX-License-Identifier: Apache-2.0
// The read side (AR, R) of one port of the DDR model.
//
// On an idle port the first R handshake follows the AR handshake by `read_latency` (+ 0..jitter) cycles.
// Bursts are answered in order. Every beat waits until the model grants it a share of the bandwidth.
#pragma once

#include <cstring>

#include "channel.hpp"

namespace peritus {

class ReadChannel : Channel {
 public:
  ReadChannel(unsigned port, const ReadPins &pins, const DdrConfig &config, ViolationLog &log)
      : Channel(port, config, log, 8 * config.seed + 2 * port), pins_(pins) {}

  std::uint64_t bytes = 0;

  // Before the clock edge: note the handshakes that the edge sees. The pins stay as they are.
  void sample(std::uint64_t cycle) {
    const Request request{*pins_.araddr, *pins_.arlen, *pins_.arsize, *pins_.arburst};
    // AXI4 A3.2.1: VALID and its payload hold until READY.
    if (waiting_ && !(*pins_.arvalid && request == held_)) report(cycle, Fault::UnstableAr, held_.address);
    waiting_ = *pins_.arvalid && !*pins_.arready;
    held_ = request;
    if (*pins_.arvalid && *pins_.arready) accept(cycle, request);
    if (*pins_.rvalid && *pins_.rready) finish_beat(cycle);
  }

  // After the edge: is a beat due that waits for bandwidth?
  bool wants(std::uint64_t cycle) const {
    return !valid_ && !stalled_ && !bursts_.empty() && cycle + 1 >= bursts_.front().due &&
           !listed_in(config_.silent_reads);
  }
  void grant() {
    const Burst &burst = bursts_.front();
    if (burst.mapped)
      std::memcpy(pins_.rdata, at(burst.address), pins_.data_bytes);
    else
      std::memset(pins_.rdata, 0, pins_.data_bytes);
    *pins_.rresp = burst.mapped ? RESP_OKAY : RESP_SLVERR;
    *pins_.rlast = burst.beats == 1;
    valid_ = true;
  }
  void drive() {
    *pins_.arready = bursts_.size() < config_.outstanding && !stall();
    *pins_.rvalid = valid_;
    stalled_ = stall();
  }

  bool open() const { return !bursts_.empty(); }
  OpenAccess open_access() const { return {bursts_.front().address, since_, port_, 0, bursts_.size()}; }

  // Forget everything in flight.
  void idle() {
    bursts_.clear();
    valid_ = waiting_ = false;
    *pins_.arready = *pins_.rvalid = 0;
  }
  void check_reset(std::uint64_t cycle) {
    if (*pins_.arvalid) report(cycle, Fault::ValidInReset, *pins_.araddr);
  }

 private:
  struct Burst {
    std::uint64_t address, due;
    unsigned beats;
    bool mapped;
  };

  void accept(std::uint64_t cycle, const Request &request) {
    check_burst(cycle, request, pins_.data_bytes);
    const bool in_memory = mapped(request, pins_.data_bytes);
    if (!in_memory) report(cycle, Fault::UnmappedRead, request.address);
    if (bursts_.empty()) since_ = cycle;
    bursts_.push({request.address, cycle + config_.read_latency + jitter(), request.beats(), in_memory});
  }

  void finish_beat(std::uint64_t cycle) {
    valid_ = false;
    since_ = cycle;
    bytes += pins_.data_bytes;
    Burst &burst = bursts_.front();
    burst.address += pins_.data_bytes;
    if (--burst.beats == 0) bursts_.pop();
  }

  const ReadPins pins_;
  Fifo<Burst, DdrConfig::MAX_OUTSTANDING> bursts_;
  Request held_{};        // AR in the last cycle
  bool waiting_ = false;  // and it was not accepted
  bool valid_ = false;    // RVALID after the next edge
  bool stalled_ = false;  // no new beat in this cycle
};

}  // namespace peritus
