// SPDX-License-Identifier: Apache-2.0
// LAYERNORM: rows of the residual memory, normalized with exact variance, into the activation memory.
//
//   over the N true channels of a token, x = sat16(residual):  S = sum x,  Q = sum x^2
//   V = clamp(N Q - S^2 + eps, 1, 2^48 - 1),  (r, half) = rsqrt(V),  xhat = sat16(rhu((N x - S) r, 6 + half))
//   q = sat8(rhu(xhat gamma + beta, s));  lanes from N on are 0
//
// Reference: peritus.reference.layernorm. RTL: rtl/compute/peritus_layernorm.sv.

#include "reciprocal.hpp"
#include "requantize.hpp"
#include "units.hpp"

namespace peritus {

namespace {

constexpr int LARGEST = config::MAX_D_WORDS * PN;
static_assert(LARGEST <= 1024, "the sums below have room for 1,024 channels");

struct Moments {
  Int<27> sum;       // of at most 2^10 values of 16 bits
  UInt<41> squares;  // of their squares
};

inline void add(Moments &moments, const Lanes<Int<config::RES_W>, PN> &word, int valid) {
#pragma HLS INLINE
  Int<22> sum = 0;
  UInt<36> squares = 0;
  static_assert(PN <= 64, "of at most 2^6 values of 16 bits, and their squares");
  for (int n = 0; n < PN; ++n) {
#pragma HLS UNROLL
    const Int<32> x = n < valid ? Int<32>(saturate<16, config::RES_W>(word.lane[n])) : Int<32>(0);
    sum += Int<22>(x);
    squares += UInt<36>(Int<36>(x) * Int<36>(x));
  }
  moments.sum += Int<27>(sum);
  moments.squares += UInt<41>(squares);
}

inline Mantissa deviation(const Moments &moments, int n, std::uint32_t epsilon) {
#pragma HLS INLINE
  const Int<52> total = Int<52>(moments.sum);
  const Int<52> variance = Int<52>(Int<52>(n) * Int<52>(moments.squares) - total * total + Int<52>(epsilon));
  const Int<52> largest = Int<52>((std::int64_t(1) << 48) - 1);
  const Int<52> positive = variance < Int<52>(1) ? Int<52>(1) : variance;
  return rsqrt(UInt<48>(largest < positive ? largest : positive));
}

inline Int<8> normalized(Int<16> x, const Moments &moments, const Mantissa &root, int n, const Params &params,
                         int lane) {
#pragma HLS INLINE
  const Int<27> centred = Int<27>(Int<27>(n) * Int<27>(x) - Int<27>(moments.sum));
  const Int<16> xhat = requantize<16, 27>(centred, root.r, UInt<6>(6 + static_cast<int>(root.shift)));
  const Int<16> gamma = static_cast<std::int16_t>(static_cast<int>(params.multiplier1[lane]));
  const Int<33> affine = Int<33>(Int<33>(xhat) * Int<33>(gamma) + Int<33>(params.bias[lane]));
  return round_shift<8, 33>(affine, params.shift1[lane]);
}

}  // namespace

void layernorm(const Instruction &i, Segment &segment, Memories &memories) {
  const int tokens = i.tokens, words = i.n_tiles, width = i.width;
  Params params[config::MAX_D_WORDS];
  segment.begin();
  for (int nb = 0; nb < words; ++nb) {
#pragma HLS LOOP_TRIPCOUNT max=config::MAX_D_WORDS
    params[nb] = read_params(segment, false);
  }
  segment.finish();
  for (int token = 0; token < tokens; ++token) {
#pragma HLS LOOP_TRIPCOUNT max=config::ACC_DEPTH
    const int source = i.src_base + token * i.src_stride, target = i.dst_base + token * i.dst_stride;
    Moments moments = {0, 0};
    for (int nb = 0; nb < words; ++nb) {
#pragma HLS PIPELINE II=1 // a word a cycle is what the memory delivers
#pragma HLS LOOP_TRIPCOUNT max=config::MAX_D_WORDS
      add(moments, memories.residual.read(source + nb), width - nb * PN);
    }
    const Mantissa root = deviation(moments, width, static_cast<std::uint32_t>(i.imm));
    for (int nb = 0; nb < words; ++nb) {
#pragma HLS PIPELINE II=1 // a word a cycle is what the memory delivers
#pragma HLS LOOP_TRIPCOUNT max=config::MAX_D_WORDS
      const auto &word = memories.residual.read(source + nb);
      Lanes<Int<8>, PN> out;
      for (int n = 0; n < PN; ++n) {
#pragma HLS UNROLL
        const Int<16> x = saturate<16, config::RES_W>(word.lane[n]);
        out.lane[n] = nb * PN + n < width ? normalized(x, moments, root, width, params[nb], n) : Int<8>(0);
      }
      memories.act.write(target + nb, out);
    }
  }
}

}  // namespace peritus
