// SPDX-License-Identifier: Apache-2.0
// Units of the twin as nodes of a stream, for FINN: one beat of LANES values in a cycle, first value in the low bits.
//
// Definition: peritus.finn.nodes. RTL: rtl/finn. Every call is one frame.

#pragma once

#define PERITUS_VITIS // hls::stream, also where g++ compiles it

#include "activation.hpp"
#include "requantize.hpp"
#include "stream.hpp"

namespace peritus {
namespace finn {

// Bits of values side by side.
template <int LANES, int BITS>
using Beat = ap_uint<LANES * BITS>;

template <int BITS, int WIDTH>
inline Int<BITS> lane(const ap_uint<WIDTH> &beat, int n) {
#pragma HLS INLINE
  return beat.range(BITS * (n + 1) - 1, BITS * n);
}

template <int BITS, int WIDTH>
inline void set_lane(ap_uint<WIDTH> &beat, int n, Int<BITS> value) {
#pragma HLS INLINE
  beat.range(BITS * (n + 1) - 1, BITS * n) = value.range(BITS - 1, 0);
}

// GELU or ReLU in Q.8.
template <int LANES, int IN>
void gelu(Stream<Beat<LANES, IN>> &in, Stream<Beat<LANES, 16>> &out, int beats, config::Function function) {
  for (int beat = 0; beat < beats; ++beat) {
#pragma HLS PIPELINE II=1 // a beat a cycle is what the streams deliver
    const Beat<LANES, IN> x = in.read();
    Beat<LANES, 16> y = 0;
    for (int n = 0; n < LANES; ++n) {
#pragma HLS UNROLL
      set_lane<16>(y, n, Int<16>(activation(Int<STAGE1_BITS>(lane<IN>(x, n)), function)));
    }
    out.write(y);
  }
}

constexpr int BIASED_BITS = 27;  // a value and its bias

// Bias, multiplier and shift by channel; of a row those of one set, [sets * CHANNELS].
template <int LANES, int IN, int OUT, int CHANNELS, int ZERO_POINT>
void requant_row(Stream<Beat<LANES, IN>> &in, Stream<Beat<LANES, OUT>> &out, int set, const std::int32_t *bias,
                 const std::uint16_t *multiplier, const std::uint8_t *shift) {
#pragma HLS INLINE
  static_assert(CHANNELS % LANES == 0, "a row is whole beats");
  for (int beat = 0; beat < CHANNELS / LANES; ++beat) {
#pragma HLS PIPELINE II=1 // a beat a cycle is what the streams deliver
    const Beat<LANES, IN> x = in.read();
    Beat<LANES, OUT> y = 0;
    for (int n = 0; n < LANES; ++n) {
#pragma HLS UNROLL
      const int channel = set * CHANNELS + beat * LANES + n;
      const Int<BIASED_BITS> biased = Int<BIASED_BITS>(lane<IN>(x, n)) + Int<BIASED_BITS>(bias[channel]);
      // One more bit holds all that saturates only with the zero point.
      const Int<OUT + 1> z = requantize<OUT + 1, BIASED_BITS>(biased, multiplier[channel], UInt<6>(shift[channel]));
      set_lane<OUT>(y, n, saturate<OUT, OUT + 2>(Int<OUT + 2>(Int<OUT + 2>(z) + Int<OUT + 2>(ZERO_POINT))));
    }
    out.write(y);
  }
}

template <int LANES, int IN, int OUT, int CHANNELS, int ZERO_POINT>
void requant(Stream<Beat<LANES, IN>> &in, Stream<Beat<LANES, OUT>> &out, int rows, const std::int32_t *bias,
             const std::uint16_t *multiplier, const std::uint8_t *shift) {
  for (int row = 0; row < rows; ++row) {
    requant_row<LANES, IN, OUT, CHANNELS, ZERO_POINT>(in, out, 0, bias, multiplier, shift);
  }
}

// With a set for every row: the expert.
template <int LANES, int IN, int OUT, int CHANNELS, int ZERO_POINT>
void requant(Stream<Beat<LANES, IN>> &in, Stream<ap_uint<16>> &index, Stream<Beat<LANES, OUT>> &out, int rows,
             const std::int32_t *bias, const std::uint16_t *multiplier, const std::uint8_t *shift) {
  for (int row = 0; row < rows; ++row) {
    const int set = static_cast<int>(index.read());
    requant_row<LANES, IN, OUT, CHANNELS, ZERO_POINT>(in, out, set, bias, multiplier, shift);
  }
}

}  // namespace finn
}  // namespace peritus
