// SPDX-License-Identifier: Apache-2.0
// One simulated accelerator: the Verilated top, its clock, the memory behind its AXI masters, and its
// register port.
//
// A cycle is two evaluations. Handshakes are sampled while the clock is low and everything has settled; the
// rising edge is evaluated; then the memory model drives its new outputs and the falling edge lets them
// settle.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "Vtop.h"
#include "cycle_trace.hpp"
#include "ddr_model.hpp"
#include "write_trace.hpp"
#if VM_TRACE
#include "verilated_fst_c.h"
#endif

namespace peritus {

// Results of the C interface; names in harness.cpp.
enum class Status : int { Ok, Timeout, SlaveError, Stopped, NotTraced };

class Simulation {
 public:
  Simulation(const DdrConfig &config, std::uint32_t power_up, std::uint32_t seed);
  ~Simulation();
  Simulation(const Simulation &) = delete;

  // Hold aresetn low for `cycles` cycles.
  void reset(unsigned cycles);
  Status read32(std::uint32_t address, std::uint32_t *data, unsigned timeout_cycles);
  Status write32(std::uint32_t address, std::uint32_t data, unsigned timeout_cycles);
  // Run until irq_o is high; Timeout after `max_cycles`.
  Status run(std::uint64_t max_cycles);

  Status open_waves(const char *path);
  void close_waves();

  bool irq() const { return top_->irq_o; }
  std::uint64_t cycles() const { return cycles_; }
  DdrModel &ddr() { return *ddr_; }

  WriteTrace writes;
  CycleTrace causes;

 private:
  void tick();
  void fast_clock(bool level);
  void fast_edge(bool level);
  void settle();
  void dump(unsigned phase);

  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Vtop> top_;
  std::unique_ptr<DdrModel> ddr_;
  std::uint64_t cycles_ = 0;
#if VM_TRACE
  std::unique_ptr<VerilatedFstC> waves_;
#endif
};

// The instance that is evaluating on this thread: how DPI calls find their way back.
extern thread_local Simulation *evaluating;

}  // namespace peritus
