// SPDX-License-Identifier: Apache-2.0
//
// The two zlib functions that Verilator's FST writer calls, so that waveforms need no zlib development
// package. Data is stored, not compressed (RFC 1950 header and Adler-32 around RFC 1951 stored blocks):
// the writer uses zlib only for initial values, time stamps and geometry, and keeps whichever form is
// smaller; the value changes go through LZ4.
#ifndef PERITUS_FST_COMPAT_ZLIB_H
#define PERITUS_FST_COMPAT_ZLIB_H

#include <algorithm>
#include <cstdint>
#include <cstring>

using Bytef = unsigned char;
using uLong = unsigned long;
using uLongf = unsigned long;
constexpr int Z_OK = 0;
constexpr int Z_BUF_ERROR = -5;

namespace peritus_zlib {
constexpr uLong kMaxStored = 65535;   // bytes in a stored block
constexpr uLong kBlockHeader = 5;     // final flag, length, complement
constexpr uLong kFrame = 2 + 4;       // zlib header, Adler-32
constexpr uint32_t kAdlerModulus = 65521;
}  // namespace peritus_zlib

inline uLong compressBound(uLong size) {
    using namespace peritus_zlib;
    return size + (size / kMaxStored + 1) * kBlockHeader + kFrame;
}

inline int compress2(Bytef* destination, uLongf* capacity, const Bytef* source, uLong size, int /*level*/) {
    using namespace peritus_zlib;
    if (*capacity < compressBound(size)) return Z_BUF_ERROR;
    Bytef* out = destination;
    *out++ = 0x78;
    *out++ = 0x01;
    uint32_t a = 1;
    uint32_t b = 0;
    uLong at = 0;
    do {
        const uLong count = std::min(size - at, kMaxStored);
        *out++ = at + count == size;
        *out++ = static_cast<Bytef>(count);
        *out++ = static_cast<Bytef>(count >> 8);
        *out++ = static_cast<Bytef>(~count);
        *out++ = static_cast<Bytef>(~count >> 8);
        std::memcpy(out, source + at, count);
        out += count;
        for (uLong i = at; i < at + count; ++i) {
            a = (a + source[i]) % kAdlerModulus;
            b = (b + a) % kAdlerModulus;
        }
        at += count;
    } while (at < size);
    for (const uint32_t half : {b, a}) {
        *out++ = static_cast<Bytef>(half >> 8);
        *out++ = static_cast<Bytef>(half);
    }
    *capacity = static_cast<uLongf>(out - destination);
    return Z_OK;
}

#endif
