// SPDX-License-Identifier: Apache-2.0
// Stands in for rtl/peritus_core.sv: the bench is the core. It writes the outputs of this module and reads its inputs.

`default_nettype none

module peritus_core
  import peritus_pkg::*;
#(
  parameter bit Dsp48e2 = 1'b0
) (
  input  logic                     clk_i,
  input  logic                     clk2x_i,
  input  logic                     rst_ni,
  input  logic                     job_valid_i,
  output logic                     job_ready_o,
  input  job_t                     job_i,
  output logic                     job_done_o,
  output logic [31:0]              job_done_seq_o,
  output logic                     prog_re_o,
  output logic [PROGRAM_AW-1:0]    prog_raddr_o,
  input  exec_instr_t              prog_rdata_i,
  output logic                     fetch_start_o,
  input  logic                     w_valid_i,
  input  logic [2*PN*8-1:0]        w_data_i,
  input  logic                     w_plenty_i,
  output logic                     w_ready_o,
  output logic                     seg_done_o,
  output logic                     drop_valid_o,
  output logic [15:0]              drop_stripes_o,
  output logic [7:0]               gates_o,
  output logic                     routed_o,
  output logic [MAX_EXPERTS-1:0]   idle_experts_o,
  input  logic                     drop_ready_i,
  output logic                     img_valid_o,
  input  logic                     img_ready_i,
  output exec_instr_t              img_instr_o,
  input  logic                     img_done_i,
  input  logic                     img_we_i,
  input  logic [ACT_AW-1:0]        img_waddr_i,
  input  logic [PN*8-1:0]          img_wdata_i,
  input  logic [PN/AXI_BYTES-1:0]  img_wbe_i,
  output logic                     st_valid_o,
  input  logic                     st_ready_i,
  output exec_instr_t              st_instr_o,
  input  logic                     st_done_i,
  input  logic                     st_re_i,
  input  logic [RESIDUAL_AW-1:0]   st_raddr_i,
  output logic [PN-1:0][RES_W-1:0] st_rdata_o,
  input  logic                     err_i,
  output logic [3:0]               core_err_o,
  output logic [39:0]              state_o,
  output logic [15:0]              store_pc_o,
  output logic                     busy_o,
  output logic                     stall_weight_o,
  output logic                     stall_wait_o
);
endmodule

`default_nettype wire
