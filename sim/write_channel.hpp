// SPDX-License-Identifier: Apache-2.0
// The write side (AW, W, B) of one port of the DDR model.
//
// W beats enter a buffer of BUFFERED beats and reach the memory's timing when the model grants them
// bandwidth; B follows the grant of a burst's last beat by `write_latency` (+ 0..jitter) cycles. The bytes
// themselves are stored at once. Data are accepted only behind their address.
#pragma once

#include <cstring>

#include "channel.hpp"

namespace peritus {

class WriteChannel : Channel {
 public:
  static constexpr unsigned BUFFERED = 32;

  WriteChannel(unsigned port, const WritePins &pins, const DdrConfig &config, ViolationLog &log)
      : Channel(port, config, log, 8 * config.seed + 2 * port + 1), pins_(pins) {}

  std::uint64_t bytes = 0;

  // Before the clock edge: note the handshakes that the edge sees. The pins stay as they are.
  void sample(std::uint64_t cycle) {
    check_stability(cycle);
    if (*pins_.awvalid && *pins_.awready) accept(cycle);
    if (*pins_.wvalid && *pins_.wready) accept_beat(cycle);
    if (*pins_.bvalid && *pins_.bready) {
      response_ = false;
      since_ = cycle;
      bursts_.pop();
    }
  }

  // After the edge: is a buffered beat waiting for bandwidth?
  bool wants() const { return buffered_ != 0; }
  void grant(std::uint64_t cycle) {
    --buffered_;
    unsigned i = 0;
    while (bursts_[i].ungranted == 0) ++i;  // bursts ahead of it only wait for their response
    if (--bursts_[i].ungranted == 0) bursts_[i].due = cycle + config_.write_latency + jitter();
  }
  void drive(std::uint64_t cycle) {
    const bool hold = stall();
    *pins_.awready = bursts_.size() < config_.outstanding && !hold;
    *pins_.wready = unreceived_ != 0 && buffered_ < BUFFERED && !hold;
    if (!response_ && !bursts_.empty()) {
      const Burst &burst = bursts_.front();
      response_ = burst.ungranted == 0 && cycle + 1 >= burst.due && !hold && !listed_in(config_.silent_writes);
      *pins_.bresp = burst.mapped ? RESP_OKAY : RESP_SLVERR;
    }
    *pins_.bvalid = response_;
  }

  bool open() const { return !bursts_.empty(); }
  OpenAccess open_access() const { return {bursts_.front().address, since_, port_, 1, bursts_.size()}; }

  // Forget everything in flight.
  void idle() {
    bursts_.clear();
    unreceived_ = buffered_ = 0;
    response_ = aw_waiting_ = w_waiting_ = false;
    *pins_.awready = *pins_.wready = *pins_.bvalid = 0;
  }
  void check_reset(std::uint64_t cycle) {
    if (*pins_.awvalid) report(cycle, Fault::ValidInReset, *pins_.awaddr);
    if (*pins_.wvalid) report(cycle, Fault::ValidInReset, 0);
  }

 private:
  struct Burst {
    std::uint64_t address, due;
    unsigned unreceived, ungranted;
    bool mapped;
  };
  struct Beat {
    std::uint8_t data[64];
    std::uint64_t strobe;
    CData last;
  };

  Beat beat() const {
    Beat now{};
    std::memcpy(now.data, pins_.wdata, pins_.data_bytes);
    std::memcpy(&now.strobe, pins_.wstrb, (pins_.data_bytes + 7) / 8);
    now.last = *pins_.wlast;
    return now;
  }

  // AXI4 A3.2.1: VALID and its payload hold until READY.
  void check_stability(std::uint64_t cycle) {
    const Request request{*pins_.awaddr, *pins_.awlen, *pins_.awsize, *pins_.awburst};
    if (aw_waiting_ && !(*pins_.awvalid && request == aw_held_))
      report(cycle, Fault::UnstableAw, aw_held_.address);
    aw_waiting_ = *pins_.awvalid && !*pins_.awready;
    aw_held_ = request;
    const bool waiting = *pins_.wvalid && !*pins_.wready;
    if (!waiting && !w_waiting_) return;
    const Beat now = beat();
    if (w_waiting_ && !(*pins_.wvalid && now.strobe == w_held_.strobe && now.last == w_held_.last &&
                        !std::memcmp(now.data, w_held_.data, sizeof now.data)))
      report(cycle, Fault::UnstableW, bursts_.empty() ? 0 : receiving().address);
    w_waiting_ = waiting;
    w_held_ = now;
  }

  // The oldest burst that still has beats to come (the newest if none has).
  Burst &receiving() {
    unsigned i = 0;
    while (bursts_[i].unreceived == 0 && i + 1 < bursts_.size()) ++i;
    return bursts_[i];
  }

  void accept(std::uint64_t cycle) {
    const Request request{*pins_.awaddr, *pins_.awlen, *pins_.awsize, *pins_.awburst};
    check_burst(cycle, request, pins_.data_bytes);
    const bool in_memory = mapped(request, pins_.data_bytes);
    if (!in_memory) report(cycle, Fault::UnmappedWrite, request.address);
    if (bursts_.empty()) since_ = cycle;
    bursts_.push({request.address, 0, request.beats(), request.beats(), in_memory});
    unreceived_ += request.beats();
  }

  void accept_beat(std::uint64_t cycle) {
    Burst &burst = receiving();
    const Beat now = beat();
    if (burst.mapped) {
      std::uint8_t *to = at(burst.address);
      for (unsigned i = 0; i < pins_.data_bytes; ++i)
        if (now.strobe >> i & 1) to[i] = now.data[i];
    }
    if (bool(now.last) != (burst.unreceived == 1)) report(cycle, Fault::WriteLast, burst.address);
    burst.address += pins_.data_bytes;
    --burst.unreceived;
    since_ = cycle;
    --unreceived_;
    ++buffered_;
    bytes += pins_.data_bytes;
  }

  const WritePins pins_;
  Fifo<Burst, DdrConfig::MAX_OUTSTANDING> bursts_;  // until their response is taken
  unsigned unreceived_ = 0;                         // beats still to come for the accepted addresses
  unsigned buffered_ = 0;                           // beats received and not yet granted
  bool response_ = false;                           // BVALID after the next edge
  Request aw_held_{};
  Beat w_held_{};
  bool aw_waiting_ = false, w_waiting_ = false;
};

}  // namespace peritus
