// SPDX-License-Identifier: Apache-2.0
// The array: one row of PK operands meets the stationary tile of PK x PN weights, all at once.
//
//   sums[n] = sum over k of x[k] * w[k][n]
//
// Reference: peritus.reference.linear. RTL: rtl/compute/peritus_mac_array.sv, which puts two weights into one multiplier; here
// Vitis places the multipliers. A file of its own: what compilers keep in registers across this loop is what makes it fast.

#include "gemm_row.hpp"

namespace peritus {

Sums multiply(const Tile &tile, const Operands &x) {
#pragma HLS INLINE
  Sums sums;
  for (int n = 0; n < PN; ++n) {
#pragma HLS UNROLL
    sums.lane[n] = 0;
  }
  for (int k = 0; k < PK; ++k) {
#pragma HLS UNROLL
    for (int n = 0; n < PN; ++n) {
#pragma HLS UNROLL
      sums.lane[n] += Factor<SUM_BITS>(x.lane[k]) * Factor<SUM_BITS>(tile.row[k][n]);
    }
  }
  return sums;
}

}  // namespace peritus
