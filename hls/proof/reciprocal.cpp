// SPDX-License-Identifier: Apache-2.0
#include "reciprocal.hpp"

using namespace peritus;

extern "C" {

UInt<24> model_normal24(UInt<24> value) { return normalize<24, 0>(value).value; }
UInt<6> model_zeros24(UInt<24> value) { return UInt<6>(normalize<24, 0>(value).zeros); }
UInt<48> model_normal48(UInt<48> value) { return normalize<48, 1>(value).value; }
UInt<6> model_zeros48(UInt<48> value) { return UInt<6>(normalize<48, 1>(value).zeros); }

UInt<16> model_reciprocal(UInt<16> u) { return newton_reciprocal(u); }
UInt<16> model_rsqrt(UInt<18> u) { return newton_rsqrt(u); }
UInt<6> model_shift(UInt<5> zeros) { return reciprocal_shift(static_cast<int>(zeros)); }
UInt<6> model_half(UInt<6> zeros) { return rsqrt_half(static_cast<int>(zeros)); }

}  // extern "C"
