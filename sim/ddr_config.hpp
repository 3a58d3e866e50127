// SPDX-License-Identifier: Apache-2.0
// Parameters of the DDR model. The layout is shared with Python (peritus.runtime.rtl.simulation).
#pragma once

#include <cstdint>

namespace peritus {

struct DdrConfig {
  static constexpr unsigned MAX_OUTSTANDING = 64, MAX_PORTS = 4;

  std::uint8_t *memory;            // owned by the caller, never copied
  std::uint64_t base, size;        // bus address of memory[0]; bytes
  std::uint64_t bandwidth;         // sustained, all ports, reads and writes: 1/65536 byte per cycle
  std::uint64_t port_bandwidth[MAX_PORTS];  // the same of each port alone, 0 = only what its width allows
  std::uint64_t shared_bandwidth;  // the same of all ports of one `group`, 0 = no limit
  std::uint64_t seed;              // of jitter and stalls
  std::uint32_t group[MAX_PORTS];  // of each port: which port of the memory controller it shares, 0..MAX_PORTS-1
  std::uint32_t ports;             // AXI ports in use, 1..MAX_PORTS
  std::uint32_t read_latency;      // cycles from AR to the first R of an idle port
  std::uint32_t write_latency;     // cycles from the last beat's grant to B
  std::uint32_t jitter;            // up to this many cycles more, drawn per burst
  std::uint32_t refresh_period;    // cycles between refreshes, 0 = none
  std::uint32_t refresh_cycles;    // cycles of each refresh, in which nothing is transferred
  std::uint32_t outstanding;       // bursts a port holds in each direction, 1..MAX_OUTSTANDING
  std::uint32_t stall;             // in 256: how often a channel is randomly held back
  std::uint32_t silent_reads;      // bit n: port n takes read bursts and never answers them
  std::uint32_t silent_writes;     // the same of written bursts
};

}  // namespace peritus
