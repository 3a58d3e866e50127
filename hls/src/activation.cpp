// SPDX-License-Identifier: Apache-2.0
// Activation kernel: a word of PN lanes per cycle, one table per lane (see activation.hpp).

#include "activation.hpp"

using namespace peritus;

void peritus_activation(hls::stream<Stage1Word> &values, hls::stream<Stage1Word> &results, TokenCount tokens,
                        config::Function function) {
#pragma HLS INTERFACE mode=axis port=values
#pragma HLS INTERFACE mode=axis port=results
#pragma HLS INTERFACE mode=ap_none port=tokens
#pragma HLS INTERFACE mode=ap_none port=function
  for (TokenCount t = 0; t < tokens; ++t) {
#pragma HLS PIPELINE II=1
#pragma HLS LOOP_TRIPCOUNT max=config::ACC_DEPTH
    const Stage1Word y = values.read();
    Stage1Word g;
    for (int n = 0; n < config::PN; ++n) {
#pragma HLS UNROLL
      g.lane[n] = activation(y.lane[n], function);
    }
    results.write(g);
  }
}
