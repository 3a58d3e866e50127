# SPDX-License-Identifier: Apache-2.0
# project/: processor, accelerator, what stands beside it, and what joins them. One clock for everything: pl_clk0 of the processor, or, where the
# multipliers have a clock of twice the frequency, both from one MMCM behind it.

create_project -force -part $settings(part) $settings(design) [file join $here project]
set board_part [get_board_parts -quiet -latest_file_version $settings(board_part):*]
if {[llength $board_part] != 1} {
  error "Vivado has no board files for $settings(board_part): install them from the Vivado Store (Boards)"
}
set_property board_part $board_part [current_project]
set_property target_language Verilog [current_project]
set repositories [list [file join $here ip]]
foreach core $settings(beside) {
  lappend repositories [file join $here [lindex $core 0]]
}
set_property ip_repo_paths $repositories [current_project]
update_ip_catalog

create_bd_design $settings(design)

# --- Processor: the board's preset, then our ports, clock and interrupt. ---
set zynq [create_bd_cell -type ip -vlnv xilinx.com:ip:zynq_ultra_ps_e zynq]
apply_bd_automation -rule xilinx.com:bd_rule:zynq_ultra_ps_e -config {apply_board_preset 1} $zynq
set config [dict create \
  CONFIG.PSU__USE__M_AXI_GP0 1 CONFIG.PSU__MAXIGP0__DATA_WIDTH 32 \
  CONFIG.PSU__USE__M_AXI_GP1 0 CONFIG.PSU__USE__M_AXI_GP2 0 \
  CONFIG.PSU__FPGA_PL0_ENABLE 1 \
  CONFIG.PSU__CRL_APB__PL0_REF_CTRL__SRCSEL IOPLL \
  CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ $settings(clock_mhz) \
  CONFIG.PSU__USE__IRQ0 1]
foreach memory_port $settings(memory_ports) {
  lassign $memory_port pin interface clock gp bits
  dict set config CONFIG.PSU__USE__S_AXI_GP$gp 1
  dict set config CONFIG.PSU__SAXIGP${gp}__DATA_WIDTH $bits
}
set_property -dict $config $zynq

create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset reset
set peritus $settings(instance)
create_bd_cell -type ip -vlnv $settings(vlnv) $peritus

set intc $settings(controller)
create_bd_cell -type ip -vlnv $settings(controller_vlnv) $intc
set_property CONFIG.C_IRQ_CONNECTION 1 [get_bd_cells $intc]

# --- Interfaces: registers through a SmartConnect behind M_AXI_HPM0_FPD, memory ports straight to the board's. ---
set targets [list $peritus/$settings(registers) $intc/s_axi]
set clocked [list $peritus/$settings(clock) $intc/s_axi_aclk reset/slowest_sync_clk zynq/maxihpm0_fpd_aclk control/aclk]
set resets [list $peritus/$settings(reset) $intc/s_axi_aresetn control/aresetn]
foreach core $settings(beside) {
  lassign $core repository vlnv cell slave core_clock core_reset
  create_bd_cell -type ip -vlnv $vlnv $cell
  lappend targets $cell/$slave
  lappend clocked $cell/$core_clock
  lappend resets $cell/$core_reset
}
foreach memory_port $settings(memory_ports) {
  lassign $memory_port pin interface clock gp bits
  connect_bd_intf_net [get_bd_intf_pins $pin] [get_bd_intf_pins zynq/$interface]
  lappend clocked zynq/$clock
}
set_property -dict [list CONFIG.NUM_SI 1 CONFIG.NUM_MI [llength $targets]] \
  [create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect control]
connect_bd_intf_net [get_bd_intf_pins zynq/M_AXI_HPM0_FPD] [get_bd_intf_pins control/S00_AXI]
set index 0
foreach to $targets {
  connect_bd_intf_net [get_bd_intf_pins control/M0${index}_AXI] [get_bd_intf_pins $to]
  incr index
}

# --- Clocks, reset, interrupt ---
# The MMCM for one of the clocks that are tried. PYNQ sets pl_clk0 anew when it loads the design: nothing leaves reset
# before the MMCM is locked again.
proc set_mmcm {mhz} {
  global settings
  foreach mmcm $settings(mmcm) {
    lassign $mmcm clock multiply divide divide_fast
    if {$clock eq $mhz} {
      set_property -dict [list CONFIG.PRIM_IN_FREQ $clock CONFIG.MMCM_CLKFBOUT_MULT_F $multiply \
        CONFIG.MMCM_CLKOUT0_DIVIDE_F $divide CONFIG.MMCM_CLKOUT1_DIVIDE $divide_fast] [get_bd_cells clocks]
    }
  }
}
set clock zynq/pl_clk0
if {$settings(fast_clock) ne ""} {
  create_bd_cell -type ip -vlnv $settings(mmcm_vlnv) clocks
  set_property -dict [list CONFIG.PRIM_SOURCE No_buffer CONFIG.OVERRIDE_MMCM true CONFIG.MMCM_DIVCLK_DIVIDE 1 \
    CONFIG.CLKOUT2_USED true CONFIG.USE_LOCKED true CONFIG.USE_RESET true CONFIG.RESET_TYPE ACTIVE_LOW] \
    [get_bd_cells clocks]
  set_mmcm $settings(clock_mhz)
  connect_bd_net [get_bd_pins zynq/pl_clk0] [get_bd_pins clocks/clk_in1]
  connect_bd_net [get_bd_pins zynq/pl_resetn0] [get_bd_pins clocks/resetn]
  connect_bd_net [get_bd_pins clocks/locked] [get_bd_pins reset/dcm_locked]
  connect_bd_net [get_bd_pins clocks/clk_out2] [get_bd_pins $peritus/$settings(fast_clock)]
  set clock clocks/clk_out1
}
foreach pin $clocked {
  connect_bd_net [get_bd_pins $clock] [get_bd_pins $pin]
}
connect_bd_net [get_bd_pins zynq/pl_resetn0] [get_bd_pins reset/ext_reset_in]
foreach pin $resets {
  connect_bd_net [get_bd_pins reset/peripheral_aresetn] [get_bd_pins $pin]
}
connect_bd_net [get_bd_pins $peritus/$settings(interrupt)] [get_bd_pins $intc/intr]
connect_bd_net [get_bd_pins $intc/irq] [get_bd_pins zynq/pl_ps_irq0]

# --- Addresses: registers where the driver looks for them; the accelerator sees memory and nothing else. ---
set space [get_bd_addr_spaces -of_objects [get_bd_intf_pins zynq/M_AXI_HPM0_FPD]]
assign_bd_address -offset $settings(register_base) -range $settings(register_bytes) -target_address_space $space \
  [get_bd_addr_segs -of_objects [get_bd_intf_pins $peritus/$settings(registers)]]
assign_bd_address -offset $settings(controller_base) -range $settings(controller_bytes) -target_address_space $space \
  [get_bd_addr_segs -of_objects [get_bd_intf_pins $intc/s_axi]]
foreach core $settings(beside) {
  lassign $core repository vlnv cell slave core_clock core_reset base bytes
  assign_bd_address -offset $base -range $bytes -target_address_space $space \
    [get_bd_addr_segs -of_objects [get_bd_intf_pins $cell/$slave]]
}
foreach memory_port $settings(memory_ports) {
  set master [lindex $memory_port 0]
  set pin [get_bd_intf_pins $master]
  set space [get_bd_addr_spaces -of_objects $pin]
  set reached 0
  foreach segment [get_bd_addr_segs -addressables -of_objects $pin] {
    # HP0_DDR_LOW, HP0_DDR_HIGH, HP0_LPS_OCM, HP0_QSPI, HPC0_DDR_LOW, ...
    if {[regsub {^HPC?\d+_} [get_property NAME $segment] ""] in $settings(memory)} {
      assign_bd_address -target_address_space $space $segment
      incr reached
    } else {
      exclude_bd_addr_seg -target_address_space $space $segment
    }
  }
  if {$reached == 0} {
    error "$master reaches none of $settings(memory)"
  }
}

validate_bd_design
save_bd_design
# One synthesis of everything: logic moves across the borders of the IP.
set_property synth_checkpoint_mode None [get_files $settings(design).bd]
make_wrapper -top -import [get_files $settings(design).bd]
set_property top $settings(design)_wrapper [current_fileset]
update_compile_order -fileset sources_1
