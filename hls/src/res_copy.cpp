// SPDX-License-Identifier: Apache-2.0
// COPY: residual rows to other rows, for tasks that part: each goes on with a copy of the tokens.
//
// RTL: rtl/memory/peritus_res_copy.sv.

#include "units.hpp"

namespace peritus {

void res_copy(const Instruction &i, Memories &memories) {
  const int tokens = i.tokens, words = i.n_tiles;
  for (int token = 0; token < tokens; ++token) {
#pragma HLS LOOP_TRIPCOUNT max=config::ACC_DEPTH
    for (int nb = 0; nb < words; ++nb) {
#pragma HLS PIPELINE II=1 // one port reads, the other writes
#pragma HLS LOOP_TRIPCOUNT max=config::MAX_D_WORDS
      const auto values = memories.residual.read(i.src_base + token * i.src_stride + nb);
      memories.residual.write(i.dst_base + token * i.dst_stride + nb, values);
    }
  }
}

}  // namespace peritus
