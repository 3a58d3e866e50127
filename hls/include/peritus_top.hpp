// SPDX-License-Identifier: Apache-2.0
// The accelerator's entries: peritus_top is synthesized, run_job is the same on memories of the caller.

#pragma once

#include "job.hpp"
#include "memories.hpp"

namespace peritus {

// One job: external memory in, external memory out.
void run_job(const Beat *program, const Beat *fetches, const Beat *weights, const Beat *image, Beat *result,
             Beat *features, const Job &job, Memories &memories, Outcome &outcome, std::int32_t &weight_beats);

}  // namespace peritus

void peritus_top(const peritus::Beat *program, const peritus::Beat *fetches, const peritus::Beat *weights,
                 const peritus::Beat *image, peritus::Beat *result, peritus::Beat *features, peritus::Job job,
                 peritus::Status *status);
