// SPDX-License-Identifier: Apache-2.0
// What the design did wrong on its AXI ports, recorded with cycle and address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace peritus {

enum class Fault : std::uint32_t {
  BurstLength,
  BurstType,
  BurstSize,
  Alignment,
  Boundary4K,
  UnstableAr,
  UnstableAw,
  UnstableW,
  WriteLast,
  ValidInReset,
  UnmappedRead,
  UnmappedWrite,
  Count
};

constexpr const char *FAULT_TEXT[] = {
    "burst longer than 16 beats",
    "burst type is not INCR",
    "beat size is not the width of the port",
    "burst address is not a multiple of 64 bytes",
    "burst crosses a 4 KB boundary",
    "AR changed or dropped before ARREADY",
    "AW changed or dropped before AWREADY",
    "W changed or dropped before WREADY",
    "WLAST is not on the last beat of the burst",
    "VALID is high during reset",
    "read outside the mapped memory",
    "write outside the mapped memory",
};
static_assert(sizeof(FAULT_TEXT) / sizeof(*FAULT_TEXT) == static_cast<std::size_t>(Fault::Count));

// Layout shared with Python (peritus.runtime.rtl.simulation).
struct Violation {
  std::uint64_t cycle, address;
  std::uint32_t port, fault;
};

// Keeps the first violations and counts them all: a broken master must not fill the memory of the host.
class ViolationLog {
 public:
  static constexpr std::size_t KEPT = 64;

  void add(std::uint64_t cycle, unsigned port, Fault fault, std::uint64_t address) {
    if (kept_.size() < KEPT) kept_.push_back({cycle, address, port, static_cast<std::uint32_t>(fault)});
    ++count_;
  }
  void clear() {
    kept_.clear();
    count_ = 0;
  }
  std::uint64_t count() const { return count_; }
  const std::vector<Violation> &kept() const { return kept_; }

 private:
  std::vector<Violation> kept_;
  std::uint64_t count_ = 0;
};

}  // namespace peritus
