// SPDX-License-Identifier: Apache-2.0
// LOAD_IMAGE: the linear image into patch vectors, beat by beat, each pixel minus 128 (bit 7 inverted, read as int8).
//
// RTL: rtl/memory/peritus_image_loader.sv.

#include "units.hpp"

namespace peritus {

bool load_image(const Instruction &i, const Beat *image, int image_beats, Memories &memories) {
  constexpr int BEATS = PN / config::AXI_BYTES;  // of a word
  const int rows = i.keys, columns = i.tokens, lines = i.k_tiles, beats = i.n_tiles;
  int next = 0;
  for (int y = 0; y < rows; ++y) {
#pragma HLS LOOP_TRIPCOUNT max=16
    for (int line = 0; line < lines; ++line) {
#pragma HLS LOOP_TRIPCOUNT max=16
      for (int x = 0; x < columns; ++x) {
#pragma HLS LOOP_TRIPCOUNT max=16
        for (int b = 0; b < beats; ++b) {
#pragma HLS PIPELINE II=1 // the bus delivers a beat a cycle
#pragma HLS LOOP_TRIPCOUNT max=4
          if (next == image_beats) return false;
          const Beat beat = image[next++];
          Lanes<Int<8>, config::AXI_BYTES> pixels;
          for (int n = 0; n < config::AXI_BYTES; ++n) {
#pragma HLS UNROLL
            pixels.lane[n] = static_cast<int>(beat.byte[n]) - 128;
          }
          const int chunk = line * beats + b;
          const int word = i.dst_base + (y * columns + x) * i.dst_stride + chunk / BEATS;
          memories.act.write_part(word, chunk % BEATS * config::AXI_BYTES, pixels);
        }
      }
    }
  }
  return true;
}

}  // namespace peritus
