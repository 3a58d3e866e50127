// SPDX-License-Identifier: Apache-2.0
// RES_INIT: residual words straight from the weight stream, the position table.
//
// RTL: rtl/memory/peritus_res_init.sv.

#include "units.hpp"

namespace peritus {

void res_init(const Instruction &i, Segment &segment, Memories &memories) {
  const int tokens = i.tokens, words = i.n_tiles;
  segment.begin();
  for (int token = 0; token < tokens; ++token) {
#pragma HLS LOOP_TRIPCOUNT max=config::ACC_DEPTH
    for (int nb = 0; nb < words; ++nb) {
#pragma HLS PIPELINE II=1 // a word a cycle is what the stream delivers
#pragma HLS LOOP_TRIPCOUNT max=config::MAX_D_WORDS
      const WeightWord word = segment.word();
      Lanes<Int<config::RES_W>, PN> values;
      for (int n = 0; n < PN; ++n) {
#pragma HLS UNROLL
        values.lane[n] = static_cast<std::int16_t>(word.byte[2 * n] | word.byte[2 * n + 1] << 8);
      }
      memories.residual.write(i.dst_base + token * i.dst_stride + nb, values);
    }
  }
  segment.finish();
}

}  // namespace peritus
