// SPDX-License-Identifier: Apache-2.0
#include "router.hpp"

using namespace peritus;

extern "C" {

UInt<3> model_best(Int<16> a, Int<16> b, Int<16> c, Int<16> d, Int<16> e, Int<16> f, Int<16> g, Int<16> h,
                   UInt<8> candidates) {
  const Int<16> value[8] = {a, b, c, d, e, f, g, h};
  return UInt<3>(best_of(value, static_cast<std::uint64_t>(candidates)));
}

UInt<16> model_best_value(UInt<16> a, UInt<16> b, UInt<16> c, UInt<16> d, UInt<16> e, UInt<16> f, UInt<16> g,
                          UInt<16> h, UInt<3> best) {
  const UInt<16> value[8] = {a, b, c, d, e, f, g, h};
  UInt<16> found = 0;
  for (int i = 0; i < 8; ++i) {
    if (best == UInt<3>(i)) found = value[i];
  }
  return found;
}

// Who is left: what route() does with the bit of the chosen.
UInt<8> model_left(UInt<8> candidates, UInt<3> best) {
  return UInt<8>(static_cast<std::uint64_t>(candidates) & ~(std::uint64_t(1) << static_cast<int>(best)));
}

UInt<16> model_same(UInt<16> value) { return value; }

UInt<16> model_gate_exp(Int<16> maximum, Int<16> logit) { return gate_exp(maximum, logit); }

UInt<16> model_gate_score(UInt<16> e, UInt<16> r, UInt<6> shift) { return gate_score(e, {r, shift}); }

}  // extern "C"
