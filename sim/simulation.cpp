// SPDX-License-Identifier: Apache-2.0
#include "simulation.hpp"

#include <stdexcept>

#include "power_up.hpp"

namespace peritus {

thread_local Simulation *evaluating = nullptr;

Simulation::Simulation(const DdrConfig &config, std::uint32_t power_up, std::uint32_t seed)
    : context_(powered_up(power_up, seed)), top_(std::make_unique<Vtop>(context_.get(), "TOP")) {
#if VM_TRACE
  context_->traceEverOn(true);
#endif
  std::vector<ReadPins> readers{PERITUS_READ_PINS(*top_, m00), PERITUS_READ_PINS(*top_, m01),
                                PERITUS_READ_PINS(*top_, m02), PERITUS_READ_PINS(*top_, m03)};
  readers.resize(config.ports);
  ddr_ = std::make_unique<DdrModel>(config, readers, std::vector<WritePins>{PERITUS_WRITE_PINS(*top_, m00)});
  ddr_->idle();
  top_->aclk = 0;
  top_->aresetn = 0;
  settle();
}

Simulation::~Simulation() {
  close_waves();
  evaluating = this;
  top_->final();
}

void Simulation::settle() {
  evaluating = this;
  top_->eval();
}

void Simulation::dump([[maybe_unused]] unsigned phase) {
#if VM_TRACE
  if (waves_) waves_->dump(2 * cycles_ + phase);
#endif
}

// Where the multipliers have a clock of twice the frequency: both rise together, once in two.
void Simulation::fast_clock([[maybe_unused]] bool level) {
#ifdef FAST_CLOCK
  top_->aclk2x = level;
#endif
}

void Simulation::fast_edge([[maybe_unused]] bool level) {
#ifdef FAST_CLOCK
  top_->aclk2x = level;
  top_->eval();
#endif
}

void Simulation::tick() {
  evaluating = this;
  const bool in_reset = !top_->aresetn;
  if (!in_reset) ddr_->sample(cycles_);
  fast_clock(1);
  top_->aclk = 1;
  top_->eval();
  dump(0);
  fast_edge(0);
  if (!in_reset) ddr_->drive(cycles_);
  fast_clock(1);
  top_->aclk = 0;
  top_->eval();
  dump(1);
  fast_edge(0);
  ++cycles_;
  context_->timeInc(1);
}

void Simulation::reset(unsigned cycles) {
  top_->s_axil_arvalid = top_->s_axil_awvalid = top_->s_axil_wvalid = 0;
  top_->s_axil_rready = top_->s_axil_bready = 0;
  top_->aresetn = 0;
  ddr_->idle();
  settle();
  for (unsigned i = 0; i < cycles; ++i) tick();
  ddr_->check_reset(cycles_);
  top_->aresetn = 1;
  settle();
}

Status Simulation::read32(std::uint32_t address, std::uint32_t *data, unsigned timeout_cycles) {
  top_->s_axil_araddr = address;
  top_->s_axil_arprot = 0;
  top_->s_axil_arvalid = 1;
  top_->s_axil_rready = 1;
  settle();
  for (unsigned i = 0; i < timeout_cycles; ++i) {
    const bool accepted = top_->s_axil_arvalid && top_->s_axil_arready;
    const bool answered = top_->s_axil_rvalid;
    const CData response = top_->s_axil_rresp;
    *data = top_->s_axil_rdata;
    tick();
    if (accepted) top_->s_axil_arvalid = 0;
    if (answered) {
      top_->s_axil_rready = 0;
      settle();
      return response == RESP_OKAY ? Status::Ok : Status::SlaveError;
    }
    if (accepted) settle();
  }
  return Status::Timeout;
}

Status Simulation::write32(std::uint32_t address, std::uint32_t data, unsigned timeout_cycles) {
  top_->s_axil_awaddr = address;
  top_->s_axil_awprot = 0;
  top_->s_axil_awvalid = 1;
  top_->s_axil_wdata = data;
  top_->s_axil_wstrb = 0xF;
  top_->s_axil_wvalid = 1;
  top_->s_axil_bready = 1;
  settle();
  for (unsigned i = 0; i < timeout_cycles; ++i) {
    const bool address_accepted = top_->s_axil_awvalid && top_->s_axil_awready;
    const bool data_accepted = top_->s_axil_wvalid && top_->s_axil_wready;
    const bool answered = top_->s_axil_bvalid;
    const CData response = top_->s_axil_bresp;
    tick();
    if (address_accepted) top_->s_axil_awvalid = 0;
    if (data_accepted) top_->s_axil_wvalid = 0;
    if (answered) top_->s_axil_bready = 0;
    settle();
    if (answered) return response == RESP_OKAY ? Status::Ok : Status::SlaveError;
  }
  return Status::Timeout;
}

Status Simulation::run(std::uint64_t max_cycles) {
  for (std::uint64_t i = 0; i < max_cycles; ++i) {
    if (top_->irq_o) return Status::Ok;
    tick();
  }
  return top_->irq_o ? Status::Ok : Status::Timeout;
}

Status Simulation::open_waves([[maybe_unused]] const char *path) {
#if VM_TRACE
  close_waves();
  waves_ = std::make_unique<VerilatedFstC>();
  top_->trace(waves_.get(), 99);
  waves_->open(path);
  return waves_->isOpen() ? Status::Ok : Status::SlaveError;
#else
  return Status::NotTraced;
#endif
}

void Simulation::close_waves() {
#if VM_TRACE
  if (waves_) waves_->close();
  waves_.reset();
#endif
}

}  // namespace peritus
