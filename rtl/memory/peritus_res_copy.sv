// SPDX-License-Identifier: Apache-2.0
// COPY: residual rows to other rows, for tasks that part: each goes on with a copy of the tokens.
//
//   for t in tokens: for nb in n_tiles: residual[dst_base + t * dst_stride + nb] = residual[src_base + t * src_stride + nb]
//
// One word per cycle, all 20 bits of a lane; no word is both read and written. instr_i stays until done_o, which pulses
// with the last write. Latency: 3 cycles from a read to its write.

`default_nettype none

module peritus_res_copy
  import peritus_pkg::*;
  import peritus_pipeline_pkg::*;
(
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     start_i,
  input  exec_instr_t              instr_i,
  output logic                     done_o,
  // residual memory, data two cycles after the request
  output logic                     re_o,
  output logic [RESIDUAL_AW-1:0]   raddr_o,
  input  logic [PN-1:0][RES_W-1:0] rdata_i,
  output logic                     next_o,     // we_o in the next cycle
  output logic                     we_o,
  output logic [RESIDUAL_AW-1:0]   waddr_o,
  output logic [PN-1:0][RES_W-1:0] wdata_o
);

  logic last;
  logic [1:0] read_q, last_q;  // requests in flight
  /* verilator lint_off UNUSEDSIGNAL */
  logic read_in_row, write_in_row, write_last;  // of the walkers, for others
  logic [11:0] read_rows, write_rows;
  /* verilator lint_on UNUSEDSIGNAL */

  peritus_row_walker #(
    .AddrW(RESIDUAL_AW)
  ) u_read (
    .clk_i,
    .start_i,
    .base_i       (RESIDUAL_AW'(instr_i.src_base)),
    .stride_i     (RESIDUAL_AW'(instr_i.src_stride)),
    .rows_i       (instr_i.tokens),
    .words_i      (instr_i.n_tiles),
    .step_i       (re_o),
    .addr_o       (raddr_o),
    .last_in_row_o(read_in_row),
    .last_o       (last),
    .rows_left_o  (read_rows)
  );

  peritus_row_walker #(
    .AddrW(RESIDUAL_AW)
  ) u_write (
    .clk_i,
    .start_i,
    .base_i       (RESIDUAL_AW'(instr_i.dst_base)),
    .stride_i     (RESIDUAL_AW'(instr_i.dst_stride)),
    .rows_i       (instr_i.tokens),
    .words_i      (instr_i.n_tiles),
    .step_i       (we_o),
    .addr_o       (waddr_o),
    .last_in_row_o(write_in_row),
    .last_o       (write_last),
    .rows_left_o  (write_rows)
  );

  assign next_o = read_q[1];

  always_ff @(posedge clk_i) begin
    if (start_i) re_o <= 1'b1;
    else if (last) re_o <= 1'b0;
    read_q <= {read_q[0], re_o};
    last_q <= {last_q[0], re_o && last};
    we_o   <= next_o;
    done_o <= read_q[1] && last_q[1];
    if (ALWAYS_LOAD || read_q[1]) wdata_o <= rdata_i;
    if (!rst_ni) begin
      re_o   <= 1'b0;
      read_q <= '0;
      we_o   <= 1'b0;
      done_o <= 1'b0;
    end
  end

endmodule

`default_nettype wire
