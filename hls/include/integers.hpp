// SPDX-License-Identifier: Apache-2.0
// Integers of exact widths: Int<W> signed, UInt<W> unsigned, 2 <= W <= 64, in four bindings of one source.
//
//   (default)         ap_int: what Vitis synthesizes; in C simulation bit-accurate and slow
//   PERITUS_FAST      machine integers, wide enough: for speed
//   PERITUS_CHECKED   64 bits that remember W: a value that leaves its width is noticed
//   PERITUS_PROOF     _BitInt: what is translated to logic and proved equal to the RTL (hls/proof)
//
// The bindings agree because of two habits. Nothing wraps: every value fits the width it is given, which the
// checked binding watches. And operands are cast to the width of the result before they meet, so that it does not
// matter how wide a binding makes an intermediate result.

#pragma once

#include <cstdint>
#include <type_traits>

#if defined(PERITUS_FAST)

namespace peritus {

template <int W>
using Int = std::conditional_t<
    W <= 8, std::int8_t,
    std::conditional_t<W <= 16, std::int16_t, std::conditional_t<W <= 32, std::int32_t, std::int64_t>>>;
template <int W>
using UInt = std::make_unsigned_t<Int<W>>;
// An operand of the multiplier array. As wide as the sums: compilers then widen nothing in the innermost loop.
template <int W>
using Factor = std::int32_t;

}  // namespace peritus

#elif defined(PERITUS_CHECKED)

namespace peritus {

// The first value that left its width, in this thread's job; width 0: none did.
struct Overflow {
  std::int64_t value = 0;
  int width = 0;
};
inline thread_local Overflow overflow;

template <int W, bool SIGNED>
class Checked {
  static_assert(2 <= W && W + !SIGNED <= 64, "it is kept in 64 bits");
  std::int64_t value_;

 public:
  Checked() = default;
  template <typename T>
  Checked(const T &value) : value_(static_cast<std::int64_t>(value)) {
    constexpr std::int64_t HIGH = SIGNED ? INT64_MAX >> (64 - W) : INT64_MAX >> (63 - W);
    constexpr std::int64_t LOW = SIGNED ? -HIGH - 1 : 0;
    if ((value_ < LOW || HIGH < value_) && overflow.width == 0) overflow = {value_, W};
  }
  constexpr operator std::int64_t() const { return value_; }
  template <typename T>
  Checked &operator+=(const T &other) {
    return *this = Checked(value_ + static_cast<std::int64_t>(other));
  }
};

template <int W>
using Int = Checked<W, true>;
template <int W>
using UInt = Checked<W, false>;
template <int W>
using Factor = Int<W>;

}  // namespace peritus

#elif defined(PERITUS_PROOF)

namespace peritus {

template <int W>
using Int = _BitInt(W);
template <int W>
using UInt = unsigned _BitInt(W);
template <int W>
using Factor = Int<W>;

}  // namespace peritus

#else

#include "ap_int.h"

namespace peritus {

template <int W>
using Int = ap_int<W>;
template <int W>
using UInt = ap_uint<W>;
template <int W>
using Factor = Int<W>;

}  // namespace peritus

#endif
