// SPDX-License-Identifier: Apache-2.0
// What the processor asks for, and what it is told.

#pragma once

#include <cstdint>

#include "peritus_config.hpp"

namespace peritus {

// A beat of the bus, in the order of memory.
struct Beat {
  std::uint8_t byte[config::AXI_BYTES];
};

static_assert(config::EXEC_BYTES % config::AXI_BYTES == 0, "an instruction is whole beats");
static_assert(config::FETCH_BYTES <= config::AXI_BYTES, "a beat holds whole fetch entries");

// One job. task: bit of the task masks. features: write them, too. cold: the first since the program was loaded. Then how
// much there is of everything.
struct Job {
  std::int32_t task;
  std::int32_t features;
  std::int32_t cold;
  std::int32_t instructions;
  std::int32_t fetches;
  std::int32_t weight_beats;
  std::int32_t image_beats;
  std::int32_t result_beats;
  std::int32_t feature_beats;
};

// Why a job ended early. The verifier (peritus.verifier) proves that no program that a device loads does any of it.
enum class Fault : std::int32_t {
  NONE = 0,
  CAPACITY = 1,  // more instructions or fetch entries than there is room for
  END = 2,       // the program has no END
  OPCODE = 3,    // an instruction that there is not
  COUNT = 4,     // a count of 0, or beyond what the configuration has
  SEGMENT = 5,   // the segment of the weight stream is not what the instruction uses
  ADDRESS = 6,   // beyond an on-chip memory
  BUFFER = 7,    // beyond the image, the result or the features
  WIDTH = 8,     // a value left its width; only the checked binding knows
};

// instruction: the one at fault. value: what was out of range, where there is one number to tell.
struct Outcome {
  Fault fault;
  std::int32_t instruction;
  std::int32_t value;
};

// Each part is of one process. weight_beats: read.
struct Status {
  Outcome outcome;
  std::int32_t weight_beats;
};

}  // namespace peritus
