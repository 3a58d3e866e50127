// SPDX-License-Identifier: Apache-2.0
// What the registers configure, and how errors travel to them.

`default_nettype none

package peritus_control_pkg;
  import peritus_pkg::ADDR_W;

  typedef logic [ADDR_W-1:0] addr_t;

  // Guard window: bursts must lie in [base, limit).
  typedef struct packed {
    addr_t base;
    addr_t limit;
  } window_t;

  // Configuration registers; stable while the device is busy.
  typedef struct packed {
    addr_t       program_addr;
    logic [15:0] program_exec;
    logic [15:0] program_fetch;
    addr_t       weight_base;
    window_t     guard_program;
    window_t     guard_weights;
    window_t     guard_image;
    window_t     guard_output;
    window_t     guard_features;
  } config_t;

  // Error events of the memory side, numbered as in ERROR_CAUSE (csr.rdl).
  localparam int unsigned NUM_EVENTS = 11;  // 0 = none
  typedef logic [NUM_EVENTS-1:0] events_t;
  typedef addr_t [NUM_EVENTS-1:0] event_addrs_t;
endpackage

`default_nettype wire
