// SPDX-License-Identifier: Apache-2.0
// Keeps the first error since reset: cause, instruction and address, and stops the device.
//
// events_i[c] is the event of cause c (csr.rdl: error_cause), addrs_i[c] its address; the lowest cause wins a tie, the
// core's own errors come last. The instruction index is that of the sequencer, but of the fetch entry for weights,
// which are read far ahead, and of the last STORE for results, behind which the sequencer goes on. stop_o stays high from the cycle after the event until reset.

`default_nettype none

module peritus_error_capture
  import peritus_control_pkg::*;
  import peritus_csr_pkg::*;
(
  input  logic         clk_i,
  input  logic         rst_ni,
  input  events_t      events_i,
  input  event_addrs_t addrs_i,
  input  logic [3:0]   core_err_i,    // 0 = none
  input  logic [15:0]  pc_i,
  input  logic [15:0]  store_pc_i,
  input  logic [15:0]  fetch_entry_i,
  output logic         stop_o,
  output logic         event_o,       // pulse: the first error
  output logic [7:0]   cause_o,
  output logic [3:0]   core_cause_o,
  output logic [15:0]  instr_o,
  output addr_t        addr_o
);

  logic [7:0] cause;
  addr_t addr;

  always_comb begin
    cause = (core_err_i != 0) ? 8'(error_cause__CORE) : 8'(error_cause__NONE);
    addr  = '0;
    for (int c = int'(NUM_EVENTS) - 1; c > 0; c--) begin
      if (events_i[c]) begin
        cause = 8'(c);
        addr  = addrs_i[c];
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      stop_o       <= 1'b0;
      event_o      <= 1'b0;
      cause_o      <= '0;
      core_cause_o <= '0;
      instr_o      <= '0;
      addr_o       <= '0;
    end else begin
      event_o <= 1'b0;
      if (!stop_o && cause != 0) begin
        stop_o       <= 1'b1;
        event_o      <= 1'b1;
        cause_o      <= cause;
        core_cause_o <= (cause == 8'(error_cause__CORE)) ? core_err_i : '0;
        unique case (cause)
          8'(error_cause__GUARD_WEIGHTS), 8'(error_cause__BUS_WEIGHTS): instr_o <= fetch_entry_i;
          8'(error_cause__GUARD_OUTPUT), 8'(error_cause__GUARD_FEATURES), 8'(error_cause__BUS_WRITE):
          instr_o <= store_pc_i;
          default: instr_o <= pc_i;
        endcase
        addr_o <= addr;
      end
    end
  end

endmodule

`default_nettype wire
