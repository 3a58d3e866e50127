// SPDX-License-Identifier: Apache-2.0
// C interface of a simulated accelerator, called by peritus.runtime.rtl.simulation through ctypes.
//
// Nothing here is called per cycle. A $fatal, $stop or failed assertion of the design ends the call with
// Status::Stopped; sim_message() then says where it was, and the instance accepts only sim_destroy().
#include <stdexcept>
#include <string>

#include "simulation.hpp"
#include "svdpi.h"

namespace {

struct Handle {
  Handle(const peritus::DdrConfig &config, std::uint32_t power_up, std::uint32_t seed)
      : simulation(config, power_up, seed) {}
  peritus::Simulation simulation;
  std::string message;
};

std::string creation_error;

// Runs `action`, turning what the design or C++ throws into a status and a message.
template <class Action>
int guarded(Handle *handle, Action action) {
  using peritus::Status;
  if (!handle->message.empty()) return static_cast<int>(Status::Stopped);
  try {
    return static_cast<int>(action(handle->simulation));
  } catch (const std::exception &error) {
    handle->message = error.what();
    return static_cast<int>(Status::Stopped);
  }
}

[[noreturn]] void stopped(const char *why, const char *file, int line, const char *scope) {
  const auto text = [](const char *name) { return std::string(name ? name : "?"); };
  throw std::runtime_error(std::string(why) + " in " + text(scope) + " (" + text(file) + ":" +
                           std::to_string(line) + ")");
}

}  // namespace

// Verilator's hooks (VL_USER_STOP, VL_USER_FINISH, VL_USER_FATAL): by default they end the process.
void vl_stop(const char *file, int line, const char *scope) {
  stopped("assertion or $stop", file, line, scope);
}
void vl_finish(const char *file, int line, const char *scope) { stopped("$finish", file, line, scope); }
void vl_fatal(const char *file, int line, const char *scope, const char *text) {
  stopped(text && *text ? text : "$fatal", file, line, scope);
}

extern "C" {

// Called by peritus_write_monitor.sv.
void peritus_trace_write(int memory, int address, const svBitVecVal *enable, const svBitVecVal *data,
                         int bits) {
  peritus::Simulation &simulation = *peritus::evaluating;
  const std::uint64_t parts = enable[0] | std::uint64_t(enable[1]) << 32;
  simulation.writes.add(memory, simulation.cycles(), address, parts, data, bits);
}

// Called by peritus_cycle_monitor.sv.
void peritus_trace_cycle(int instruction, const char *cause) {
  peritus::Simulation &simulation = *peritus::evaluating;
  simulation.causes.add(simulation.cycles(), instruction, cause);
}

// Null on failure; sim_creation_error() then says why.
Handle *sim_create(const peritus::DdrConfig *config, std::uint32_t power_up, std::uint32_t seed) {
  try {
    return new Handle(*config, power_up, seed);
  } catch (const std::exception &error) {
    creation_error = error.what();
    return nullptr;
  }
}
const char *sim_creation_error() { return creation_error.c_str(); }
void sim_destroy(Handle *handle) {
  try {
    delete handle;
  } catch (const std::exception &) {  // a `final` block that fails has nobody left to tell
  }
}

int sim_reset(Handle *handle, std::uint32_t cycles) {
  return guarded(handle, [&](auto &sim) {
    sim.reset(cycles);
    return peritus::Status::Ok;
  });
}
int sim_read32(Handle *handle, std::uint32_t address, std::uint32_t *data, std::uint32_t timeout_cycles) {
  return guarded(handle, [&](auto &sim) { return sim.read32(address, data, timeout_cycles); });
}
int sim_write32(Handle *handle, std::uint32_t address, std::uint32_t data, std::uint32_t timeout_cycles) {
  return guarded(handle, [&](auto &sim) { return sim.write32(address, data, timeout_cycles); });
}
int sim_run(Handle *handle, std::uint64_t max_cycles) {
  return guarded(handle, [&](auto &sim) { return sim.run(max_cycles); });
}
const char *sim_message(const Handle *handle) { return handle->message.c_str(); }
std::uint64_t sim_cycles(const Handle *handle) { return handle->simulation.cycles(); }
int sim_irq(const Handle *handle) { return handle->simulation.irq(); }

// Bytes since creation: read[port] for each port in use, and written (all by port 0).
void sim_traffic(Handle *handle, std::uint64_t *read, std::uint64_t *written) {
  for (const peritus::ReadChannel &reader : handle->simulation.ddr().readers()) *read++ = reader.bytes;
  *written = 0;
  for (const peritus::WriteChannel &writer : handle->simulation.ddr().writers()) *written += writer.bytes;
}

// Copies what all channels have been asked for and have not given (at most 2 * MAX_PORTS), returns how many.
std::uint32_t sim_open_accesses(Handle *handle, peritus::OpenAccess *out) {
  const peritus::OpenAccess *first = out;
  for (const peritus::ReadChannel &reader : handle->simulation.ddr().readers())
    if (reader.open()) *out++ = reader.open_access();
  for (const peritus::WriteChannel &writer : handle->simulation.ddr().writers())
    if (writer.open()) *out++ = writer.open_access();
  return out - first;
}

// Copies up to `capacity` violations, returns how many there were in all.
std::uint64_t sim_violations(Handle *handle, peritus::Violation *out, std::uint32_t capacity) {
  const peritus::ViolationLog &log = handle->simulation.ddr().violations;
  for (std::size_t i = 0; i < log.kept().size() && i < capacity; ++i) out[i] = log.kept()[i];
  return log.count();
}
void sim_clear_violations(Handle *handle) { handle->simulation.ddr().violations.clear(); }
const char *sim_fault_text(std::uint32_t fault) {
  return fault < std::uint32_t(peritus::Fault::Count) ? peritus::FAULT_TEXT[fault] : "unknown fault";
}

int sim_open_waves(Handle *handle, const char *path) {
  return guarded(handle, [&](auto &sim) { return sim.open_waves(path); });
}

// Start (after forgetting earlier records) or stop recording memory writes.
void sim_trace_writes(Handle *handle, int enable) {
  handle->simulation.writes.clear();
  handle->simulation.writes.enabled = enable;
}
// The records of a memory, valid until the simulation runs on; *record_words is 0 if there are none.
const std::uint32_t *sim_written(Handle *handle, std::uint32_t memory, std::uint64_t *words,
                                 std::uint32_t *record_words) {
  const peritus::WriteTrace &trace = handle->simulation.writes;
  *words = trace.words(memory).size();
  *record_words = *words ? trace.record_words(memory) : 0;
  return trace.words(memory).data();
}

// Start (after forgetting earlier records) or stop recording what the machine was at.
void sim_trace_cycles(Handle *handle, int enable) {
  handle->simulation.causes.clear();
  handle->simulation.causes.enabled = enable;
}
// The changes recorded, valid until the simulation runs on.
const peritus::CycleTrace::Change *sim_changes(Handle *handle, std::uint64_t *count) {
  *count = handle->simulation.causes.changes().size();
  return handle->simulation.causes.changes().data();
}
const char *sim_cause_name(Handle *handle, std::uint32_t cause) {
  return handle->simulation.causes.name(cause);
}

}  // extern "C"
