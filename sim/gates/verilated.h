// SPDX-License-Identifier: Apache-2.0
// As much of Verilator's interface as sim/link_harness.cpp uses, for a netlist in place of a Verilated model.
#pragma once

#include <string>

struct VerilatedContext {
  std::string folder;  // of +image=

  // A bitstream says what its registers and memories hold.
  void randReset(int) {}
  void randSeed(int) {}

  void commandArgs(int count, const char **arguments) {
    for (int i = 1; i < count; ++i) folder = std::string(arguments[i]).substr(std::string("+image=").size());
  }
};
