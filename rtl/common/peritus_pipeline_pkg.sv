// SPDX-License-Identifier: Apache-2.0
// Whether registers of the pipelines have enables. (Latencies: peritus_latency_pkg, generated. Each unit builds its valid
// pipeline from its own constant, and its users delay side information by the same: the two cannot disagree.)
//
// ALWAYS_LOAD: what stands behind a valid bit is read only when that is set, so the registers of whole words need no
// enable. In hardware such an enable is a net to every bit of every lane, the largest there are, so there they always
// load. A simulator saves the work; -DALWAYS_LOAD simulates what is synthesized.

`default_nettype none

package peritus_pipeline_pkg;
`ifdef SYNTHESIS
  localparam bit ALWAYS_LOAD = 1'b1;
`elsif ALWAYS_LOAD
  localparam bit ALWAYS_LOAD = 1'b1;
`else
  localparam bit ALWAYS_LOAD = 1'b0;
`endif

endpackage

`default_nettype wire
