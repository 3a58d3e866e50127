// SPDX-License-Identifier: Apache-2.0
// Process 1 of a job: the segments of its task, from external memory into the stream, in the order of the fetch entries.
//
// RTL: rtl/memory/peritus_weight_fetch.sv, which takes stripes from several ports at once and cancels the segments of idle
// experts; here there is one port, and their reader passes over them.

#include "units.hpp"

namespace peritus {

namespace {

FetchEntry read_entry(const Beat *fetches, int index) {
#pragma HLS INLINE
  std::uint32_t words[config::FETCH_BYTES / 4] = {};
  for (int n = 0; n < config::FETCH_BYTES; ++n) {
#pragma HLS UNROLL
    const int at = index * config::FETCH_BYTES + n;
    words[n / 4] |= static_cast<std::uint32_t>(fetches[at / config::AXI_BYTES].byte[at % config::AXI_BYTES])
                    << 8 * (n % 4);
  }
  return config::decode_FetchEntry(words);
}

}  // namespace

void fetch_weights(const Beat *fetches, const Beat *weights, const Job &job, Stream<WeightWord> &stream,
                   std::int32_t &beats) {
  std::int32_t read = 0;
  for (int index = 0; index < config::FETCH_DEPTH; ++index) {
    if (index >= job.fetches) break;
    const FetchEntry entry = read_entry(fetches, index);
    if (!(static_cast<int>(entry.task_mask) >> job.task & 1) || (entry.cold_only && !job.cold)) continue;
    const int words = static_cast<int>(entry.stripes) * config::STRIPE_WORDS;
    const std::int64_t first = static_cast<std::int64_t>(entry.offset) * config::BURST_BEATS;
    // A segment beyond the weights is missing: its reader comes to the end of the stream.
    if (first + static_cast<std::int64_t>(words) * WEIGHT_WORD_BEATS > job.weight_beats) break;
    for (int w = 0; w < words; ++w) {
#pragma HLS PIPELINE II=WEIGHT_WORD_BEATS // the bus delivers a beat a cycle
#pragma HLS LOOP_TRIPCOUNT max=4096
      WeightWord word;
      for (int n = 0; n < WEIGHT_WORD_BEATS; ++n) {
        const Beat beat = weights[first + w * WEIGHT_WORD_BEATS + n];
        for (int b = 0; b < config::AXI_BYTES; ++b) {
#pragma HLS UNROLL
          word.byte[n * config::AXI_BYTES + b] = beat.byte[b];
        }
      }
      word.last = w == words - 1;
      word.end = false;
      stream.write(word);
    }
    read += words * WEIGHT_WORD_BEATS;
  }
  WeightWord end = {};
  end.last = end.end = true;
  stream.write(end);
  beats = read;
}

}  // namespace peritus
