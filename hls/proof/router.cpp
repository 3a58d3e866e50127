// SPDX-License-Identifier: Apache-2.0
#include "router.hpp"

using namespace peritus;

extern "C" {

UInt<3> model_best(Int<16> a, Int<16> b, Int<16> c, Int<16> d, Int<16> e, Int<16> f, Int<16> g, Int<16> h,
                   UInt<8> candidates) {
  const Int<16> value[8] = {a, b, c, d, e, f, g, h};
  return UInt<3>(best_of(value, static_cast<std::uint64_t>(candidates)));
}

UInt<16> model_gate_exp(Int<16> maximum, Int<16> logit) { return gate_exp(maximum, logit); }

UInt<16> model_gate_score(UInt<16> e, UInt<16> r, UInt<6> shift) { return gate_score(e, {r, shift}); }

}  // extern "C"
