// SPDX-License-Identifier: Apache-2.0
// A configuration of which only the number of lanes is used.
package peritus_pkg;
  localparam int unsigned PN = 6;
endpackage
