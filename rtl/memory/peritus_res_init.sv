// SPDX-License-Identifier: Apache-2.0
// RES_INIT: the residual starts from a table (position embedding) that arrives on the weight stream. KEEP: weights stay.
//
//   for t in tokens: for nb in n_tiles: memory[dst_base + t * dst_stride + nb] = next weight word, PN int16
//
// The memory is the residual's, or the resident one (keep_we_o: the lanes' 16 bits are the weight word as it came).
//
// One word per cycle; done_o pulses with the last write.

`default_nettype none

module peritus_res_init
  import peritus_pkg::*;
  import peritus_pipeline_pkg::*;
(
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     start_i,
  input  exec_instr_t              instr_i,
  output logic                     done_o,
  input  logic                     w_valid_i,
  input  logic [PN-1:0][15:0]      w_data_i,
  output logic                     w_ready_o,
  output logic                     next_o,     // RES_INIT: we_o in the next cycle
  output logic                     we_o,
  output logic                     keep_we_o,  // KEEP
  output logic [15:0]              waddr_o,
  output logic [PN-1:0][RES_W-1:0] wdata_o
);

  logic busy_q;
  logic [11:0] token_q;
  logic [7:0] nb_q;
  logic [15:0] row_addr_q;

  logic pop, last_nb, last;
  assign w_ready_o = busy_q;
  assign pop = busy_q && w_valid_i;
  assign next_o = pop && instr_i.opcode != OP_KEEP;
  assign last_nb = nb_q == instr_i.n_tiles - 8'd1;
  assign last = last_nb && token_q == instr_i.tokens - 12'd1;

  always_ff @(posedge clk_i) begin
    we_o <= next_o;
    keep_we_o <= pop && instr_i.opcode == OP_KEEP;
    done_o <= pop && last;
    if (start_i) begin
      busy_q <= 1'b1;
      token_q <= '0;
      nb_q <= '0;
      row_addr_q <= instr_i.dst_base;
    end else if (pop) begin
      nb_q <= last_nb ? 8'd0 : nb_q + 8'd1;
      if (last_nb) begin
        token_q <= token_q + 12'd1;
        row_addr_q <= row_addr_q + 16'(instr_i.dst_stride);
      end
      if (last) busy_q <= 1'b0;
    end
    if (ALWAYS_LOAD || pop) begin
      waddr_o <= row_addr_q + 16'(nb_q);
      for (int n = 0; n < int'(PN); n++) wdata_o[n] <= RES_W'(signed'(w_data_i[n]));
    end
    if (!rst_ni) begin
      busy_q <= 1'b0;
      we_o <= 1'b0;
      keep_we_o <= 1'b0;
      done_o <= 1'b0;
    end
  end

endmodule

`default_nettype wire
