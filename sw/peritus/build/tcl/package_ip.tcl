# SPDX-License-Identifier: Apache-2.0
# ip/: the accelerator with its IP-XACT description. Interfaces come from the attributes in the Verilog wrapper.

set root [file join $here ip]
create_project -force -part $settings(part) package_ip [file join $here package_ip]
foreach name $settings(sources) {
  add_files -norecurse [file join $root src $name]
}
add_files -fileset constrs_1 -norecurse [file join $root src $settings(ooc_constraints)]
set_property USED_IN {synthesis implementation out_of_context} [get_files $settings(ooc_constraints)]
set_property top $settings(ip_top) [current_fileset]
update_compile_order -fileset sources_1

ipx::package_project -root_dir $root -vendor $settings(vendor) -library $settings(library) -taxonomy /UserIP -force
set core [ipx::current_core]
foreach property {vendor library name version display_name description supported_families} {
  set_property $property $settings($property) $core
}

# The packager may have inferred a memory map and address spaces: take those, or else make them.
set registers [ipx::get_bus_interfaces $settings(registers) -of_objects $core]
set map [ipx::get_memory_maps -quiet $settings(registers) -of_objects $core]
if {$map eq ""} {
  set map [ipx::add_memory_map $settings(registers) $core]
  set_property slave_memory_map_ref $settings(registers) $registers
}
set block [ipx::get_address_blocks -quiet $settings(register_block) -of_objects $map]
if {$block eq ""} {
  set block [ipx::add_address_block $settings(register_block) $map]
}
set_property range $settings(register_bytes) $block
set_property width 32 $block
set_property usage register $block

foreach name $settings(masters) {
  set master [ipx::get_bus_interfaces $name -of_objects $core]
  set space [ipx::get_address_spaces -quiet $name -of_objects $core]
  if {$space eq ""} {
    set space [ipx::add_address_space $name $core]
    set_property master_address_space_ref $name $master
  }
  set_property range [expr {1 << $settings(address_bits)}] $space
  set_property width $settings(address_bits) $space
}

ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project
