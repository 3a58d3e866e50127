// SPDX-License-Identifier: Apache-2.0
// A configuration of which only the number of lanes is used.
`default_nettype none

package peritus_pkg;
  localparam int unsigned PN = 6;
endpackage

`default_nettype wire
