// SPDX-License-Identifier: Apache-2.0
// C interface of the compiled twin, for the device `hls` (peritus.runtime.hls).

#include <memory>

#include "peritus_top.hpp"

using namespace peritus;

namespace {

// What a device holds: its on-chip memories, as they power up, and the record of what was written into them.
struct Machine {
  Memories memories = {};
  WriteTrace trace;
};

const Beat *beats(const std::uint8_t *bytes) {
  static_assert(sizeof(Beat) == config::AXI_BYTES, "beats lie side by side, as in the device's memory");
  return reinterpret_cast<const Beat *>(bytes);
}

}  // namespace

extern "C" {

std::uint64_t hls_config_hash() { return config::CONFIG_HASH; }
Machine *hls_create() { return std::make_unique<Machine>().release(); }
void hls_destroy(Machine *machine) { delete machine; }

// Buffers are whole beats; features may be null if the job does not ask for them.
void hls_run(Machine *machine, const std::uint8_t *program, const std::uint8_t *fetches, const std::uint8_t *weights,
             const std::uint8_t *image, std::uint8_t *result, std::uint8_t *features, const Job *job, Status *status) {
  write_trace = machine->trace.enabled ? &machine->trace : nullptr;
#ifdef PERITUS_CHECKED
  overflow = {};
#endif
  Outcome outcome = {Fault::NONE, 0, 0};
  std::int32_t weight_beats = 0;
  run_job(beats(program), beats(fetches), beats(weights), beats(image), reinterpret_cast<Beat *>(result),
          reinterpret_cast<Beat *>(features), *job, machine->memories, outcome, weight_beats);
  *status = {outcome, weight_beats};
  write_trace = nullptr;
#ifdef PERITUS_CHECKED
  if (overflow.width != 0) *status = {{Fault::WIDTH, 0, overflow.width}, 0};
#endif
}

// Start (forgetting earlier records) or end the recording of writes into on-chip memories.
void hls_trace_writes(Machine *machine, int enable) {
  machine->trace.clear();
  machine->trace.enabled = enable != 0;
}

const std::uint32_t *hls_written(const Machine *machine, std::uint32_t memory, std::uint64_t *words,
                                 std::uint32_t *record_words) {
  *words = machine->trace.words(memory).size();
  *record_words = machine->trace.record_words(memory);
  return machine->trace.words(memory).data();
}

}  // extern "C"
