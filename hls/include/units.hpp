// SPDX-License-Identifier: Apache-2.0
// The units, one for each kind of instruction; each in the file of its name in hls/src. docs/isa.md defines what they do.

#pragma once

#include "job.hpp"
#include "memories.hpp"
#include "weights.hpp"

namespace peritus {

using config::FetchEntry;
using config::Instruction;

// Process 1: walks the fetch entries of the task and streams their segments, ahead of whoever uses them. `beats`: read.
void fetch_weights(const Beat *fetches, const Beat *weights, const Job &job, Stream<WeightWord> &stream,
                   std::int32_t &beats);

// Process 2: the instructions, one after the other.
void execute(const Beat *program, const Beat *image, Beat *result, Beat *features, const Job &job, Memories &memories,
             Stream<WeightWord> &stream, Outcome &outcome);

// Are the counts of an instruction what the units and their loops are made for?
bool counts_are_valid(const Instruction &i);

// The units return false if a buffer in external memory is too small.
bool load_image(const Instruction &i, const Beat *image, int image_beats, Memories &memories);
void res_init(const Instruction &i, Segment &segment, Memories &memories);
void res_copy(const Instruction &i, Memories &memories);
bool keep(const Instruction &i, Segment &segment, Memories &memories);
void layernorm(const Instruction &i, Segment &segment, Memories &memories);
void gemm(const Instruction &i, Segment &segment, Memories &memories);
bool store(const Instruction &i, Memories &memories, Beat *buffer, int buffer_beats);

}  // namespace peritus
