// SPDX-License-Identifier: Apache-2.0
#include "integers.hpp"

using namespace peritus;

extern "C" {

// One product of the array (hls/src/mac_array.cpp).
Int<18> model_product(Int<9> x, Int<8> w) { return Int<18>(Int<18>(x) * Int<18>(w)); }

}  // extern "C"
