// SPDX-License-Identifier: Apache-2.0
// GELU kernel: a word of PN lanes per cycle, one table per lane (see gelu.hpp).

#include "gelu.hpp"

using namespace peritus;

void peritus_gelu(hls::stream<Stage1Word> &values, hls::stream<Stage1Word> &results, TokenCount tokens,
                  bool apply) {
#pragma HLS INTERFACE mode=axis port=values
#pragma HLS INTERFACE mode=axis port=results
#pragma HLS INTERFACE mode=ap_none port=tokens
#pragma HLS INTERFACE mode=ap_none port=apply
  for (TokenCount t = 0; t < tokens; ++t) {
#pragma HLS PIPELINE II=1
#pragma HLS LOOP_TRIPCOUNT max=config::ACC_DEPTH
    const Stage1Word y = values.read();
    Stage1Word g;
    for (int n = 0; n < config::PN; ++n) {
#pragma HLS UNROLL
      g.lane[n] = apply ? gelu(y.lane[n]) : y.lane[n];
    }
    results.write(g);
  }
}
