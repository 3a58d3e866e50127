// SPDX-License-Identifier: Apache-2.0
#include "residual.hpp"

using namespace peritus;

extern "C" {

Int<20> model_residual(Int<20> old, Int<16> z, UInt<3> dst) {
  return residual(old, z, static_cast<config::Dest>(static_cast<int>(dst)));
}

Int<8> model_narrow(Int<16> z, UInt<3> dst) { return narrow(z, static_cast<config::Dest>(static_cast<int>(dst))); }

}  // extern "C"
