// SPDX-License-Identifier: Apache-2.0
#include "activation.hpp"

using namespace peritus;

extern "C" {

Int<24> model_activation(Int<24> y, UInt<2> fn) {
  return activation(y, static_cast<config::Function>(static_cast<int>(fn)));
}

}  // extern "C"
