// SPDX-License-Identifier: Apache-2.0
// KEEP: words of the weight stream into the resident memory, where they stay from job to job.
//
// RTL: rtl/memory/peritus_res_init.sv, rtl/memory/peritus_resident.sv.

#include "units.hpp"

namespace peritus {

constexpr int WORDS = 8;                                // of a row, as the compiler writes them
constexpr int ROWS = config::RESIDENT_WORDS / WORDS + 1;

bool keep(const Instruction &i, Segment &segment, Memories &memories) {
  const int rows = i.tokens, words = i.n_tiles;
  bool fits = true;
  segment.begin();
  for (int row = 0; row < rows; ++row) {
#pragma HLS LOOP_TRIPCOUNT max=ROWS
    for (int n = 0; n < words; ++n) {
#pragma HLS PIPELINE II=1 // a word a cycle is what the stream delivers
#pragma HLS LOOP_TRIPCOUNT max=WORDS
      const WeightWord word = segment.word();
      const int address = i.dst_base + row * i.dst_stride + n;
      const bool inside = 0 <= address && address < config::RESIDENT_WORDS;
      if (inside) memories.resident[address] = word;
      fits = fits && inside;
    }
  }
  segment.finish();
  return fits;
}

}  // namespace peritus
