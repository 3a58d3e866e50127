// SPDX-License-Identifier: Apache-2.0
// The two requantization stages of the epilogue, PN lanes per cycle.
//
//   stage 1:  y = sat24(rhu((acc + bias) m1, s1))      stage 2:  z = sat16(rhu(g m2, s2))
//
// Multiplier 1 with shift 0 passes the value (saturated).
// Reference: peritus.reference.requantize; RTL: rtl/compute/peritus_requantize.sv.

#pragma once

#include "ap_int.h"
#include "arithmetic.hpp"
#include "peritus_config.hpp"
#include "hls_stream.h"
#include "lanes.hpp"

namespace peritus {

constexpr int MULTIPLIER_BITS = 16;  // unsigned
constexpr int SHIFT_BITS = 6;
constexpr int STAGE1_BITS = 24;
constexpr int STAGE2_BITS = 16;

static_assert(config::PN % config::PK == 0, "a word is a whole number of slices");
static_assert(STAGE1_BITS < config::ACC_W, "stage 1 narrows the accumulator");

struct Scale {
  ap_uint<MULTIPLIER_BITS> multiplier;
  ap_uint<SHIFT_BITS> shift;
};

struct BiasedScale {
  ap_int<config::ACC_W> bias;
  Scale scale;
};

using SumWord = Lanes<ap_int<config::ACC_W>, config::PN>;
using Stage1Word = Lanes<ap_int<STAGE1_BITS>, config::PN>;
using Stage2Word = Lanes<ap_int<STAGE2_BITS>, config::PN>;
using Stage1Params = Lanes<BiasedScale, config::PN>;
using Stage2Params = Lanes<Scale, config::PN>;
using TokenCount = ap_uint<config::COUNT_W>;

// sat(rhu(value * multiplier, shift))
template <int OutBits, int InBits>
ap_int<OutBits> requantize(const ap_int<InBits> &value, const Scale &scale) {
#pragma HLS INLINE
  const ap_int<InBits + MULTIPLIER_BITS> product = value * scale.multiplier;
  return round_shift<OutBits>(product, scale.shift);
}

}  // namespace peritus

// Top functions: parameters of one output word, then that word of `tokens` tokens.
void peritus_stage1(hls::stream<peritus::Stage1Params> &params, hls::stream<peritus::SumWord> &sums,
                    hls::stream<peritus::Stage1Word> &results, peritus::TokenCount tokens);
void peritus_stage2(hls::stream<peritus::Stage2Params> &params, hls::stream<peritus::Stage1Word> &values,
                    hls::stream<peritus::Stage2Word> &results, peritus::TokenCount tokens);
