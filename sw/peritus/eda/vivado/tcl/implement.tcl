# SPDX-License-Identifier: Apache-2.0
# Synthesis and implementation at one clock after the other, by one strategy after the other, until one is met; then
# reports/, and the two files that a board loads in product/. What was not met is in attempts/; an implementation that
# fails is one that does not meet its timing.

add_files -fileset constrs_1 -norecurse [file join $here $settings(constraints)]
set_property strategy $settings(synthesis) [get_runs synth_1]
foreach folder {reports attempts product} {
  file mkdir [file join $here $folder]
}

# Run to the end, or to a step; why it got nowhere in its time, or nothing.
proc run_to_end {run steps} {
  global settings
  launch_runs {*}$steps -jobs $settings(jobs) $run
  set failed [catch {wait_on_runs -timeout $settings(timeout_minutes) $run} reason]
  if {!$failed && [get_property PROGRESS [get_runs $run]] eq "100%"} {
    return ""
  }
  return "$run did not finish: [get_property STATUS [get_runs $run]] $reason"
}

# The same; an error if it did not.
proc finish {run steps} {
  set reason [run_to_end $run $steps]
  if {$reason ne ""} {
    error $reason
  }
}

# The processor's clock, and all that is made for it.
proc set_clock {mhz} {
  global settings
  set_property CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ $mhz [get_bd_cells zynq]
  if {$settings(fast_clock) ne ""} {
    set_mmcm $mhz
  }
  validate_bd_design
  save_bd_design
  generate_target all [get_files $settings(design).bd]
  reset_runs synth_1
  finish synth_1 {}
}

# One implementation; is its timing met? Its slacks and its checkpoint go into attempts/.
proc attempt {mhz strategy} {
  global here
  reset_runs impl_1
  set_property strategy $strategy [get_runs impl_1]
  set reason [run_to_end impl_1 {}]
  if {$reason ne ""} {
    puts "$strategy at $mhz MHz: $reason"
    return 0
  }
  open_run impl_1
  set name [file join $here attempts ${mhz}_$strategy]
  report_timing_summary -file $name.rpt
  write_checkpoint -force $name.dcp
  foreach slack {WNS WHS TPWS} {
    if {[get_property STATS.$slack [get_runs impl_1]] < 0} {
      close_design
      return 0
    }
  }
  return 1
}

set met 0
foreach mhz $settings(clocks) {
  set_clock $mhz
  foreach strategy $settings(strategies) {
    set met [attempt $mhz $strategy]
    if {$met} break
  }
  if {$met} break
}
if {!$met} {
  error "no strategy meets [join $settings(clocks) {, }] MHz: attempts/ has the slacks of each, the log why others failed"
}

set reports [file join $here reports]
report_utilization -file [file join $reports utilization.rpt]
report_timing_summary -file [file join $reports timing_summary.rpt]
report_power -file [file join $reports power.rpt]
report_high_fanout_nets -timing -load_types -max_nets 100 -file [file join $reports fanout.rpt]
report_design_analysis -congestion -timing -logic_level_distribution -file [file join $reports analysis.rpt]
report_ram_utilization -file [file join $reports memories.rpt]
report_control_sets -verbose -file [file join $reports control_sets.rpt]
report_methodology -file [file join $reports methodology.rpt]
report_cdc -details -file [file join $reports cdc.rpt]
close_design

finish impl_1 {-to_step write_bitstream}
set product [file join $here product]
set design $settings(design)
file copy -force [file join [get_property DIRECTORY [get_runs impl_1]] ${design}_wrapper.bit] \
  [file join $product $settings(bitstream)]
file copy -force [file join $here project $design.gen sources_1 bd $design hw_handoff $design.hwh] \
  [file join $product $settings(handoff)]
