// SPDX-License-Identifier: Apache-2.0
// Streams from and to files, to simulate a node in C++: beats one after the other, each in whole words of 32 bits.

#pragma once

#include <cstdint>
#include <cstdio>

#include "streams.hpp"

namespace peritus {
namespace finn {

template <int BITS>
bool read_stream(const char *path, Stream<ap_uint<BITS>> &stream) {
  std::FILE *file = std::fopen(path, "rb");
  if (file == nullptr) return false;
  std::uint32_t words[(BITS + 31) / 32];
  while (std::fread(words, sizeof words, 1, file) == 1) {
    ap_uint<BITS> beat = 0;
    for (int bit = 0; bit < BITS; ++bit) beat[bit] = words[bit / 32] >> bit % 32 & 1;
    stream.write(beat);
  }
  return std::fclose(file) == 0;
}

template <int BITS>
bool write_stream(const char *path, Stream<ap_uint<BITS>> &stream) {
  std::FILE *file = std::fopen(path, "wb");
  if (file == nullptr) return false;
  bool good = true;
  while (!stream.empty()) {
    const ap_uint<BITS> beat = stream.read();
    std::uint32_t words[(BITS + 31) / 32] = {};
    for (int bit = 0; bit < BITS; ++bit) words[bit / 32] |= static_cast<std::uint32_t>(beat[bit] ? 1 : 0) << bit % 32;
    good = std::fwrite(words, sizeof words, 1, file) == 1 && good;
  }
  return std::fclose(file) == 0 && good;
}

}  // namespace finn
}  // namespace peritus
