// SPDX-License-Identifier: Apache-2.0
// Reset of everything but the configuration registers and the AXI masters.
//
// rst_no goes low with rst_ni or soft_reset_i, and high again when the AXI masters have drained (idle_i) and at least
// HoldCycles have passed. It is Copies registers in step, one for each part of the accelerator: one register would be at one
// place of the die, with a thousand loads all over it. flush_o tells the masters to drain meanwhile: bursts in flight must end as AXI demands, while
// the blocks that asked for them are already forgotten.

`default_nettype none

module peritus_reset_control #(
  parameter int unsigned HoldCycles = 16,
  parameter int unsigned Copies = 1
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic soft_reset_i,  // pulse
  input  logic idle_i,
  output logic [Copies-1:0] rst_no,
  output logic flush_o
);

  /* verilator lint_off PROCASSINIT */
  // Power-up value: in reset even before the first clock edge. keep: copies are not one register again.
  (* keep = "true" *) logic [Copies-1:0] released_q = '0;
  /* verilator lint_on PROCASSINIT */
  logic [$clog2(HoldCycles+1)-1:0] left_q;

  assign rst_no  = released_q;
  assign flush_o = !released_q[0];

  always_ff @(posedge clk_i) begin
    if (!rst_ni || soft_reset_i) begin
      released_q <= '0;
      left_q     <= ($clog2(HoldCycles + 1))'(HoldCycles);
    end else begin
      if (left_q != 0) left_q <= left_q - 1'b1;
      else if (idle_i) released_q <= '1;
    end
  end

endmodule

`default_nettype wire
