// SPDX-License-Identifier: Apache-2.0
// When the multipliers of a cascade are reached (peritus_mac.sv); who loads their operands has to know.

`default_nettype none

package peritus_mac_pkg;
  // The multipliers' cascade: cycles by which a position's operands, and the swap of its stationary operands, come later
  // than those of position 0. With a clock of twice the fabric's a cycle passes two positions.
  function automatic int unsigned mac_stage(int unsigned ratio, int unsigned position);
    return (position + ratio - 1) / ratio;
  endfunction
endpackage

`default_nettype wire
