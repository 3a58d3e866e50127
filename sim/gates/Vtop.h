// SPDX-License-Identifier: Apache-2.0
// A board's netlist with the interface of a Verilated link_system, so that sim/link_harness.cpp drives either.
#pragma once

#include "netlist.hpp"
#include "verilated.h"

class Vtop {
 public:
  std::uint8_t clk_i = 0, rst_ni = 0, rx_i = 1, tx_o = 1;

  Vtop(VerilatedContext *context, const char *) : netlist_(context->folder) {}

  // The clock is that of the PLL's output. The PLL is locked when the reset ends: the board makes its own from that.
  void eval() {
    netlist_.set(netlist_.rx, rx_i);
    netlist_.set(netlist_.locked, rst_ni);
    netlist_.settle();
    if (clk_i && !clock_q_) netlist_.clock();
    clock_q_ = clk_i;
    tx_o = netlist_[netlist_.tx];
  }

 private:
  gates::Netlist netlist_;
  std::uint8_t clock_q_ = 0;
};
