// SPDX-License-Identifier: Apache-2.0
// C interface of a module with AXI streams, called by peritus.finn.verilator through ctypes. The top is what
// peritus.finn.verilator.build writes around the module: every beat in 32-bit words, one after the other.
//
// streams.h, written as well: IN_WORDS, OUT_WORDS: words of a beat of each stream, in order. FAST_CLOCK: 1 if the module has a second, double clock.
#include <cstdint>
#include <memory>
#include <random>

#include "Vtop.h"
#include "power_up.hpp"
#include "streams.h"
#include "verilated.h"

namespace {

constexpr unsigned IN[] = {IN_WORDS}, OUT[] = {OUT_WORDS};
constexpr unsigned INPUTS = sizeof(IN) / sizeof(IN[0]), OUTPUTS = sizeof(OUT) / sizeof(OUT[0]);
constexpr int RESET_CYCLES = 16;

struct Simulation {
  explicit Simulation(std::uint32_t seed) : context(peritus::powered_up(2, seed)), random(seed) {
    top = std::make_unique<Vtop>(context.get(), "TOP");
    top->clk_i = 0;
    top->clk2x_i = 0;
    top->in_valid_i = 0;
    top->out_ready_i = 0;
    reset();
  }

  void reset() {
    top->in_valid_i = 0;
    top->out_ready_i = 0;
    top->rst_ni = 0;
    for (int i = 0; i < RESET_CYCLES; ++i) {
      settle();
      edge();
    }
    top->rst_ni = 1;
  }

  // Inputs have changed behind the rising edge: the rest of the cycle.
  void settle() {
#if FAST_CLOCK
    top->clk2x_i = 0;
    top->eval();
    top->clk2x_i = 1;
#endif
    top->clk_i = 0;
    top->eval();
#if FAST_CLOCK
    top->clk2x_i = 0;
    top->eval();
#endif
  }

  void edge() {
    top->clk_i = 1;
    top->clk2x_i = 1;
    top->eval();
  }

  // Most pauses last a cycle, one of sixteen up to 256: what waits behind fills up.
  bool stalls(unsigned stream, unsigned of_256) {
    if (pause[stream] > 0) {
      --pause[stream];
      return true;
    }
    if (of_256 == 0 || random() % 256 >= of_256) return false;
    pause[stream] = random() % 16 ? 0 : random() % 256;
    return true;
  }

  std::unique_ptr<VerilatedContext> context;
  std::unique_ptr<Vtop> top;
  std::mt19937 random;
  unsigned pause[INPUTS + OUTPUTS] = {};  // cycles left, by stream
};

}  // namespace

extern "C" {

void *finn_open(std::uint32_t seed) { return new Simulation(seed); }

void finn_close(void *handle) { delete static_cast<Simulation *>(handle); }

void finn_reset(void *handle) { static_cast<Simulation *>(handle)->reset(); }

// Offers in_beats[i] beats of each input stream and takes out_beats[o] of each output stream. Each cycle, a stream
// begins a pause with probability stall / 256. Returns the cycles until the last beat has left, or ~0 if none moved for
// `patience` cycles; out_done[o] says how many came.
std::uint64_t finn_run(void *handle, const std::uint32_t *const *in, const std::uint64_t *in_beats, std::uint32_t *const *out,
                       const std::uint64_t *out_beats, std::uint64_t *out_done, std::uint64_t patience, std::uint32_t stall) {
  auto &sim = *static_cast<Simulation *>(handle);
  auto &top = *sim.top;
  std::uint64_t in_done[INPUTS] = {}, idle = 0, cycles = 0;
  std::uint32_t valid = 0;
  for (unsigned o = 0; o < OUTPUTS; ++o) out_done[o] = 0;
  for (;; ++cycles) {
    bool left = false;
    for (unsigned o = 0; o < OUTPUTS; ++o) left |= out_done[o] < out_beats[o];
    if (!left) break;
    if (idle++ >= patience) return ~std::uint64_t(0);
    for (unsigned i = 0, word = 0; i < INPUTS; word += IN[i++]) {
      if (valid >> i & 1) continue;  // data stay until they are accepted
      if (in_done[i] < in_beats[i] && !sim.stalls(i, stall)) {
        valid |= 1u << i;
        for (unsigned w = 0; w < IN[i]; ++w) top.in_data_i[word + w] = in[i][in_done[i] * IN[i] + w];
      }
    }
    std::uint32_t ready = 0;
    for (unsigned o = 0; o < OUTPUTS; ++o) {
      ready |= std::uint32_t(out_done[o] < out_beats[o] && !sim.stalls(INPUTS + o, stall)) << o;
    }
    top.in_valid_i = valid;
    top.out_ready_i = ready;
    sim.settle();
    const std::uint32_t accepted = valid & top.in_ready_o;
    const std::uint32_t taken = ready & top.out_valid_o;
    for (unsigned i = 0; i < INPUTS; ++i) in_done[i] += accepted >> i & 1;
    for (unsigned o = 0, word = 0; o < OUTPUTS; word += OUT[o++]) {
      if (!(taken >> o & 1)) continue;
      for (unsigned w = 0; w < OUT[o]; ++w) out[o][out_done[o] * OUT[o] + w] = top.out_data_o[word + w];
      ++out_done[o];
    }
    valid &= ~accepted;
    if (accepted | taken) idle = 0;
    sim.edge();
  }
  top.in_valid_i = 0;
  top.out_ready_i = 0;
  return cycles;
}
}
