// SPDX-License-Identifier: Apache-2.0
// A stream between two processes of a dataflow region: hls::stream for Vitis; elsewhere a queue without a limit, as the
// process that fills it then runs to its end before the other begins.

#pragma once

#ifdef PERITUS_VITIS

#include "hls_stream.h"

namespace peritus {
template <typename T>
using Stream = hls::stream<T>;
}  // namespace peritus

#else

#include <cstddef>
#include <vector>

namespace peritus {

template <typename T>
class Stream {
  std::vector<T> values_;
  std::size_t next_ = 0;

 public:
  void write(const T &value) { values_.push_back(value); }
  T read() { return values_[next_++]; }
};

}  // namespace peritus

#endif
