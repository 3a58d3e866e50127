# SPDX-License-Identifier: Apache-2.0
# C simulation, synthesis and IP of the HLS twin: vitis_hls -f build.tcl, in a folder that peritus.eda.vitis wrote.

source [file join [file dirname [info script]] settings.tcl]

open_project -reset $settings(project)
set_top $settings(top)
add_files -cflags $settings(cflags) $settings(sources)
add_files -tb -cflags $settings(cflags) $settings(testbench)
open_solution -reset -flow_target vivado $settings(solution)
set_part $settings(part)
create_clock -period $settings(period) -name default

csim_design -argv $settings(job)
csynth_design
export_design -format ip_catalog -vendor $settings(vendor) -library $settings(library) -ipname $settings(name) -version $settings(version)
