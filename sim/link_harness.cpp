// SPDX-License-Identifier: Apache-2.0
// C interface of a simulated peritus_link_system, called by peritus.runtime.virtual.uart_line through ctypes: a clock, and a serial
// adapter that sends and receives every bit at the line's pins.
#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>

#include "Vtop.h"
#include "power_up.hpp"
#include "verilated.h"

namespace {

// The adapter's transmitter: what the design's rx_i sees, one bit for `clocks` cycles.
struct Transmitter {
  unsigned clocks;
  std::deque<std::uint8_t> queue;
  unsigned left = 0;         // cycles of this bit
  unsigned bits = 0;         // bits of this byte still to be sent, the present one included
  std::uint32_t shift = 1;

  bool step() {
    if (bits && --left == 0) {
      shift >>= 1;
      left = clocks;
      --bits;
    }
    if (!bits) {
      if (queue.empty()) return true;
      shift = 1u << 9 | std::uint32_t(queue.front()) << 1;
      queue.pop_front();
      bits = 10;
      left = clocks;
    }
    return shift & 1;
  }
};

// The adapter's receiver: samples in the middle of each bit; a byte without a stop bit is dropped, as adapters do.
struct Receiver {
  unsigned clocks;
  std::deque<std::uint8_t> queue;
  unsigned left = 0, bits = 0;
  std::uint32_t shift = 0;

  void step(bool line) {
    if (!bits) {
      if (line) return;
      bits = 10;
      left = clocks / 2;
    } else if (--left == 0) {
      shift = shift >> 1 | std::uint32_t(line) << 9;
      left = clocks;
      if (--bits == 0 && line && !(shift & 1)) queue.push_back(std::uint8_t(shift >> 1));
    }
  }
};

struct Line {
  Line(unsigned clocks, const char *image, std::uint32_t power_up, std::uint32_t seed)
      : context(peritus::powered_up(power_up, seed)), transmitter{clocks}, receiver{clocks} {
    const std::string argument = std::string("+image=") + image;
    const char *arguments[] = {"peritus_link_system", argument.c_str()};
    context->commandArgs(*image ? 2 : 1, arguments);
    top = std::make_unique<Vtop>(context.get(), "TOP");
    top->clk_i = 0;
    top->rx_i = 1;
    top->rst_ni = 0;
    for (int i = 0; i < 16; ++i) tick();
    top->rst_ni = 1;
  }

  void tick() {
    top->rx_i = transmitter.step();
    top->clk_i = 1;
    top->eval();
    top->clk_i = 0;
    top->eval();
    receiver.step(top->tx_o);
    ++cycles;
  }

  std::unique_ptr<VerilatedContext> context;
  std::unique_ptr<Vtop> top;
  Transmitter transmitter;
  Receiver receiver;
  std::uint64_t cycles = 0;
  std::string message;
};

[[noreturn]] void stopped(const char *why, const char *file, int line) {
  throw std::runtime_error(std::string(why) + " (" + (file ? file : "?") + ":" + std::to_string(line) + ")");
}

}  // namespace

// Verilator's hooks (VL_USER_STOP, VL_USER_FINISH, VL_USER_FATAL): by default they end the process.
void vl_stop(const char *file, int line, const char *) { stopped("assertion or $stop", file, line); }
void vl_finish(const char *file, int line, const char *) { stopped("$finish", file, line); }
void vl_fatal(const char *file, int line, const char *, const char *text) {
  stopped(text && *text ? text : "$fatal", file, line);
}

extern "C" {

// image: folder of the memory's content, or empty. Null if the design stops at once.
Line *line_create(std::uint32_t clocks_per_bit, const char *image, std::uint32_t power_up,
                  std::uint32_t seed) {
  try {
    return new Line(clocks_per_bit, image, power_up, seed);
  } catch (const std::exception &) {
    return nullptr;
  }
}
void line_destroy(Line *line) { delete line; }

void line_send(Line *line, const std::uint8_t *bytes, std::uint32_t count) {
  line->transmitter.queue.insert(line->transmitter.queue.end(), bytes, bytes + count);
}

// Runs until a byte has been received, at most `max_cycles`; takes out up to `capacity` bytes. -1: the design stopped.
int line_receive(Line *line, std::uint8_t *bytes, std::uint32_t capacity, std::uint64_t max_cycles) {
  if (!line->message.empty()) return -1;
  auto &queue = line->receiver.queue;
  try {
    for (std::uint64_t i = 0; queue.empty() && i < max_cycles; ++i) line->tick();
  } catch (const std::exception &error) {
    line->message = error.what();
    return -1;
  }
  std::uint32_t count = 0;
  for (; count < capacity && !queue.empty(); ++count) {
    bytes[count] = queue.front();
    queue.pop_front();
  }
  return int(count);
}

std::uint64_t line_cycles(const Line *line) { return line->cycles; }
const char *line_message(const Line *line) { return line->message.c_str(); }

}  // extern "C"
