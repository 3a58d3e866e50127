// SPDX-License-Identifier: Apache-2.0
//
// The two LZ4 functions that Verilator's FST writer calls, so that waveforms need no LZ4 development
// package. A greedy compressor for the LZ4 block format (github.com/lz4/lz4, doc/lz4_Block_format.md):
//   block    = sequence*          sequence = token, literals, offset (2 bytes, little endian)
//   token    = literal count (4 bits), match length - 4 (4 bits); 15 continues in bytes of 255 and a rest
//   the last sequence has no match; the last 5 bytes are literals; no match starts in the last 12 bytes.
#ifndef PERITUS_FST_COMPAT_LZ4_H
#define PERITUS_FST_COMPAT_LZ4_H

#include <cstdint>
#include <cstring>
#include <vector>

inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

namespace peritus_lz4 {

constexpr int kMinMatch = 4;
constexpr int kLastLiterals = 5;
constexpr int kMatchMargin = 12;
constexpr int kMaxOffset = 65535;
constexpr int kHashBits = 14;

inline uint32_t load32(const uint8_t* p) {
    uint32_t v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

inline uint32_t hash(uint32_t v) { return (v * 2654435761u) >> (32 - kHashBits); }

// The part of a length beyond the 15 that fit in the token.
inline uint8_t* put_length(uint8_t* out, int rest) {
    for (; rest >= 255; rest -= 255) *out++ = 255;
    *out++ = static_cast<uint8_t>(rest);
    return out;
}

// match_length 0 closes the block.
inline uint8_t* put_sequence(uint8_t* out, const uint8_t* literals, int count, int offset, int match_length) {
    const int match_code = match_length ? match_length - kMinMatch : 0;
    const int literal_nibble = count < 15 ? count : 15;
    const int match_nibble = match_code < 15 ? match_code : 15;
    *out++ = static_cast<uint8_t>(literal_nibble << 4 | match_nibble);
    if (count >= 15) out = put_length(out, count - 15);
    std::memcpy(out, literals, count);
    out += count;
    if (match_length) {
        *out++ = static_cast<uint8_t>(offset);
        *out++ = static_cast<uint8_t>(offset >> 8);
        if (match_code >= 15) out = put_length(out, match_code - 15);
    }
    return out;
}

}  // namespace peritus_lz4

// Returns the compressed size, or 0 when `capacity` is below LZ4_compressBound(size).
inline int LZ4_compress_default(const char* source, char* destination, int size, int capacity) {
    using namespace peritus_lz4;
    if (size < 0 || capacity < LZ4_compressBound(size)) return 0;
    const auto* in = reinterpret_cast<const uint8_t*>(source);
    auto* const out_begin = reinterpret_cast<uint8_t*>(destination);
    uint8_t* out = out_begin;
    std::vector<int> last_seen(size_t{1} << kHashBits, -1);
    int literals_from = 0;
    int at = 0;
    while (at < size - kMatchMargin) {
        int& slot = last_seen[hash(load32(in + at))];
        const int candidate = slot;
        slot = at;
        if (candidate < 0 || at - candidate > kMaxOffset || load32(in + candidate) != load32(in + at)) {
            ++at;
            continue;
        }
        int length = kMinMatch;
        while (at + length < size - kLastLiterals && in[candidate + length] == in[at + length]) ++length;
        out = put_sequence(out, in + literals_from, at - literals_from, at - candidate, length);
        at += length;
        literals_from = at;
    }
    out = put_sequence(out, in + literals_from, size - literals_from, 0, 0);
    return static_cast<int>(out - out_begin);
}

#endif
