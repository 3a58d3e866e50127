// SPDX-License-Identifier: Apache-2.0
#include "integers.hpp"

using namespace peritus;

extern "C" {

// Two rows of the array (hls/src/mac_array.cpp), one channel.
Int<19> model_products(Int<9> x0, Int<9> x1, Int<8> w0, Int<8> w1) {
  return Int<19>(Int<19>(x0) * Int<19>(w0) + Int<19>(x1) * Int<19>(w1));
}

}  // extern "C"
