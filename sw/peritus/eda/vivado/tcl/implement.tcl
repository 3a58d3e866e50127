# SPDX-License-Identifier: Apache-2.0
# Synthesis, implementation, reports/, and the two files that a board loads in product/.

add_files -fileset constrs_1 -norecurse [file join $here $settings(constraints)]
set_property strategy Performance_ExplorePostRoutePhysOpt [get_runs impl_1]

foreach {run steps} {synth_1 {} impl_1 {-to_step write_bitstream}} {
  launch_runs {*}$steps -jobs $settings(jobs) $run
  wait_on_runs -timeout $settings(timeout_minutes) $run
  if {[get_property PROGRESS [get_runs $run]] ne "100%"} {
    error "$run did not finish: [get_property STATUS [get_runs $run]]"
  }
}

open_run impl_1
set reports [file join $here reports]
file mkdir $reports
report_utilization -file [file join $reports utilization.rpt]
report_timing_summary -file [file join $reports timing_summary.rpt]
report_power -file [file join $reports power.rpt]

set product [file join $here product]
set design $settings(design)
file mkdir $product
file copy -force [file join [get_property DIRECTORY [get_runs impl_1]] ${design}_wrapper.bit] \
  [file join $product $settings(bitstream)]
file copy -force [file join $here project $design.gen sources_1 bd $design hw_handoff $design.hwh] \
  [file join $product $settings(handoff)]
