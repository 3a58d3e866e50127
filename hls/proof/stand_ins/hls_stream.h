// SPDX-License-Identifier: Apache-2.0
// In place of Vitis's header, for the check of the subset (peritus.eda.prove.subset): what hls/ uses of it.

#pragma once

namespace hls {

template <typename T>
class stream {
 public:
  T read();
  void write(const T &value);
};

}  // namespace hls
