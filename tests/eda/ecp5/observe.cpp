// SPDX-License-Identifier: Apache-2.0
// A model with the ports of a link_system under random input: what it sends, clock by clock.
#include "Vtop.h"
#include "verilated.h"

extern "C" void observe(const char *image, unsigned cycles, unsigned char *sent) {
  VerilatedContext context;
  const char *arguments[] = {"observe", image};
  context.commandArgs(2, arguments);
  Vtop top(&context, "TOP");
  top.clk_i = 0;
  top.eval();  // from here on Verilator sees edges
  unsigned random = 1;
  for (unsigned i = 0; i < cycles; ++i) {
    random = random >> 1 ^ (random & 1 ? 0xA3000000u : 0);
    top.rst_ni = i >= 16;
    top.rx_i = random & 1;
    for (int clock = 1; clock >= 0; --clock) {
      top.clk_i = clock;
      top.eval();
    }
    sent[i] = top.tx_o;
  }
}
