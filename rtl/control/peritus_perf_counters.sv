// SPDX-License-Identifier: Apache-2.0
// Performance counters of one job, handed over when it is done so that software reads the last finished job while the
// next one runs.
//
// Counting begins in the cycle after start_i and ends with that before done_i; counters wrap at 2^32, cycles at 2^64.
// Start and end are registers, for each reaches every counter: outputs follow two cycles after done_i.

`default_nettype none

module peritus_perf_counters
  import peritus_pkg::*;
(
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 start_i,
  input  logic                 done_i,
  input  logic                 array_busy_i,
  input  logic                 stall_weight_i,
  input  logic                 stall_wait_i,
  input  logic [AXI_PORTS-1:0] read_beat_i,
  input  logic                 write_beat_i,
  output logic [63:0]          cycles_o,
  output logic [31:0]          array_busy_o,
  output logic [31:0]          stall_weight_o,
  output logic [31:0]          stall_wait_o,
  output logic [31:0]          write_bytes_o,
  output logic [31:0]          read_bytes_o [AXI_PORTS]
);

  localparam int unsigned EVENTS = 4 + AXI_PORTS;
  localparam int unsigned BEAT_SHIFT = $clog2(AXI_BYTES);

  logic start_q, done_q;
  logic [EVENTS-1:0] event_q;
  logic [63:0] cycles_q;
  logic [31:0] count_q[EVENTS];
  logic [31:0] last_q[EVENTS];

  assign array_busy_o   = last_q[0];
  assign stall_weight_o = last_q[1];
  assign stall_wait_o   = last_q[2];
  assign write_bytes_o  = last_q[3] << BEAT_SHIFT;
  for (genvar p = 0; p < int'(AXI_PORTS); p++) begin : gen_read
    assign read_bytes_o[p] = last_q[4+p] << BEAT_SHIFT;
  end

  always_ff @(posedge clk_i) begin
    start_q <= start_i;
    done_q  <= done_i && rst_ni;
    event_q <= {read_beat_i, write_beat_i, stall_wait_i, stall_weight_i, array_busy_i};
    if (!rst_ni) begin
      cycles_q <= '0;
      cycles_o <= '0;
      last_q   <= '{default: '0};
    end else begin
      cycles_q <= start_q ? 64'd1 : cycles_q + 1'b1;
      for (int i = 0; i < int'(EVENTS); i++) begin
        if (start_q) count_q[i] <= '0;
        else if (event_q[i]) count_q[i] <= count_q[i] + 1'b1;
      end
      if (done_q) begin
        cycles_o <= cycles_q;
        last_q   <= count_q;
      end
    end
  end

endmodule

`default_nettype wire
