// SPDX-License-Identifier: Apache-2.0
// STORE: residual words to external memory as int16, in the order of the written map; the loops are the pixel shuffle.
//
// RTL: rtl/memory/peritus_result_writer.sv.

#include "arithmetic.hpp"
#include "units.hpp"

namespace peritus {

bool store(const Instruction &i, Memories &memories, Beat *buffer, int buffer_beats) {
  constexpr int LANES = config::AXI_BYTES / 2;  // int16 of a beat
  constexpr int BEATS = PN / LANES;             // of a word
  const int rows = i.keys, columns = i.tokens, lines = i.k_tiles, beats = i.n_tiles;
  const std::int64_t first = static_cast<std::int64_t>(i.imm) / config::AXI_BYTES;
  if (first > buffer_beats) return false;
  int next = static_cast<int>(first);
  for (int y = 0; y < rows; ++y) {
#pragma HLS LOOP_TRIPCOUNT max=16
    for (int line = 0; line < lines; ++line) {
#pragma HLS LOOP_TRIPCOUNT max=16
      for (int x = 0; x < columns; ++x) {
#pragma HLS LOOP_TRIPCOUNT max=16
        for (int b = 0; b < beats; ++b) {
#pragma HLS PIPELINE II=1 // the bus takes a beat a cycle
#pragma HLS LOOP_TRIPCOUNT max=16
          if (next == buffer_beats) return false;
          const int chunk = line * beats + b;
          const int row = i.src_base + (y * columns + x) * i.src_stride;
          const auto &word = memories.residual.read(row + chunk / BEATS);
          Beat beat;
          for (int n = 0; n < LANES; ++n) {
#pragma HLS UNROLL
            const int value = static_cast<int>(saturate<16, config::RES_W>(word.lane[chunk % BEATS * LANES + n]));
            beat.byte[2 * n] = static_cast<std::uint8_t>(value);
            beat.byte[2 * n + 1] = static_cast<std::uint8_t>(value >> 8);
          }
          buffer[next++] = beat;
        }
      }
    }
  }
  return true;
}

}  // namespace peritus
