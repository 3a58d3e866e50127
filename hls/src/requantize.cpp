// SPDX-License-Identifier: Apache-2.0
// Requantization kernels: a word of PN lanes per cycle (see requantize.hpp).

#include "requantize.hpp"

using namespace peritus;

void peritus_stage1(hls::stream<Stage1Params> &params, hls::stream<SumWord> &sums,
                    hls::stream<Stage1Word> &results, TokenCount tokens) {
#pragma HLS INTERFACE mode=axis port=params
#pragma HLS INTERFACE mode=axis port=sums
#pragma HLS INTERFACE mode=axis port=results
#pragma HLS INTERFACE mode=ap_none port=tokens
  const Stage1Params channels = params.read();
  for (TokenCount t = 0; t < tokens; ++t) {
#pragma HLS PIPELINE II=1
#pragma HLS LOOP_TRIPCOUNT max=config::ACC_DEPTH
    const SumWord sum = sums.read();
    Stage1Word y;
    for (int n = 0; n < config::PN; ++n) {
#pragma HLS UNROLL
      // The compiler proves that the biased sum fits.
      const ap_int<config::ACC_W> biased = sum.lane[n] + channels.lane[n].bias;
      y.lane[n] = requantize<STAGE1_BITS>(biased, channels.lane[n].scale);
    }
    results.write(y);
  }
}

void peritus_stage2(hls::stream<Stage2Params> &params, hls::stream<Stage1Word> &values,
                    hls::stream<Stage2Word> &results, TokenCount tokens) {
#pragma HLS INTERFACE mode=axis port=params
#pragma HLS INTERFACE mode=axis port=values
#pragma HLS INTERFACE mode=axis port=results
#pragma HLS INTERFACE mode=ap_none port=tokens
  const Stage2Params channels = params.read();
  for (TokenCount t = 0; t < tokens; ++t) {
#pragma HLS PIPELINE II=1
#pragma HLS LOOP_TRIPCOUNT max=config::ACC_DEPTH
    const Stage1Word value = values.read();
    Stage2Word z;
    for (int n = 0; n < config::PN; ++n) {
#pragma HLS UNROLL
      z.lane[n] = requantize<STAGE2_BITS>(value.lane[n], channels.lane[n]);
    }
    results.write(z);
  }
}
