// SPDX-License-Identifier: Apache-2.0
// What a channel of a port has been asked for and has not given yet.
#pragma once

#include <cstdint>

namespace peritus {

// Layout shared with Python (peritus.runtime.rtl.harness).
struct OpenAccess {
  std::uint64_t address;  // of the next byte that is waited for
  std::uint64_t since;    // cycle of the channel's last handshake that brought it on
  std::uint32_t port, write, bursts;
};

}  // namespace peritus
