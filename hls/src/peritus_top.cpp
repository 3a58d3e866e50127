// SPDX-License-Identifier: Apache-2.0
// The accelerator: one call is one job, an image through the program of a bundle.
//
//   fetches, weights ─▶ fetch_weights ══ stream of weight words ══▶ execute ◀─▶ on-chip memories
//                                                                     │  load_image   image ─▶ activations
//                                                program ─▶ decode ─▶ │  res_init     stream ─▶ residual
//                                                                     │  layernorm    residual ─▶ activations
//                                                                     │  gemm         activations, scores × stream, keys,
//                                                                     │               values ─▶ any memory, router
//                                                                     └  store        residual ─▶ result, features
//
// Both processes run at once: weights stream from external memory while the instructions before still compute. The units
// behind the switch of execute share the memories, so they take turns.
//
// What they compute is docs/isa.md and docs/numerics.md, bit for bit.

#include "peritus_top.hpp"
#include "units.hpp"

namespace peritus {

void run_job(const Beat *program, const Beat *fetches, const Beat *weights, const Beat *image, Beat *result,
             Beat *features, const Job &job, Memories &memories, Outcome &outcome, std::int32_t &weight_beats) {
// Weights are fetched while earlier ones are used. Two calls and a stream, each variable written by one of them: UG1399,
// "Canonical Dataflow".
#pragma HLS DATAFLOW
  Stream<WeightWord> stream;
#pragma HLS STREAM variable=stream depth=config::WEIGHT_STORE_WORDS // the ring that is filled ahead of use
  fetch_weights(fetches, weights, job, stream, weight_beats);
  execute(program, image, result, features, job, memories, stream, outcome);
}

}  // namespace peritus

using namespace peritus;

void peritus_top(const Beat *program, const Beat *fetches, const Beat *weights, const Beat *image, Beat *result,
                 Beat *features, Job job, Status *status) {
// External memory. Weights have a port of their own, or the other accesses would wait behind their bursts.
#pragma HLS INTERFACE mode=m_axi port=program bundle=control offset=slave
#pragma HLS INTERFACE mode=m_axi port=fetches bundle=weights offset=slave
#pragma HLS INTERFACE mode=m_axi port=weights bundle=weights offset=slave max_read_burst_length=config::BURST_BEATS
#pragma HLS INTERFACE mode=m_axi port=image bundle=control offset=slave
#pragma HLS INTERFACE mode=m_axi port=result bundle=control offset=slave
#pragma HLS INTERFACE mode=m_axi port=features bundle=control offset=slave
// The job, start and done, and what became of it.
#pragma HLS INTERFACE mode=s_axilite port=job
#pragma HLS INTERFACE mode=s_axilite port=status
#pragma HLS INTERFACE mode=s_axilite port=return
  static Memories memories;
// A word is read and written at once: PN lanes side by side in the memory, not one after the other. Vitis takes structs
// apart, so that words is an array [words][PN] (UG1399, "Structs").
#pragma HLS ARRAY_RESHAPE variable=memories.act.words type=complete dim=2
#pragma HLS ARRAY_RESHAPE variable=memories.kv.words type=complete dim=2
#pragma HLS ARRAY_RESHAPE variable=memories.score.words type=complete dim=2
#pragma HLS ARRAY_RESHAPE variable=memories.residual.words type=complete dim=2
// A token goes into the queues of several experts in one cycle.
#pragma HLS ARRAY_PARTITION variable=memories.queues.token type=complete dim=1
#pragma HLS ARRAY_PARTITION variable=memories.queues.score type=complete dim=1
#pragma HLS ARRAY_PARTITION variable=memories.queues.length type=complete
  Outcome outcome = {Fault::NONE, 0, 0};
  std::int32_t weight_beats = 0;
  run_job(program, fetches, weights, image, result, features, job, memories, outcome, weight_beats);
  *status = {outcome, weight_beats};
}
