# SPDX-License-Identifier: Apache-2.0
# vivado -mode batch -source build.tcl
# Everything that a board or a hardware configuration decides is in settings.tcl, which `peritus build` writes.

set here [file dirname [file normalize [info script]]]
source [file join $here settings.tcl]
foreach step {package_ip block_design implement} {
  source [file join $here $step.tcl]
}
