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

# What the packager has inferred is taken, what it has not is made: one memory map with one block for the registers ...
set registers [ipx::get_bus_interfaces $settings(registers) -of_objects $core]
set name [get_property slave_memory_map_ref $registers]
if {$name eq ""} {
  set name $settings(registers)
  ipx::add_memory_map $name $core
  set_property slave_memory_map_ref $name $registers
}
set map [ipx::get_memory_maps $name -of_objects $core]
set block [ipx::get_address_blocks -quiet -of_objects $map]
if {[llength $block] == 0} {
  set block [ipx::add_address_block $settings(register_block) $map]
}
set_property range $settings(register_bytes) $block
set_property width 32 $block
set_property usage register $block
foreach register $settings(register_map) {
  lassign $register name offset fields
  set entry [ipx::add_register $name $block]
  set_property address_offset $offset $entry
  set_property size 32 $entry
  foreach field $fields {
    lassign $field name lsb width
    set bits [ipx::add_field $name $entry]
    set_property bit_offset $lsb $bits
    set_property bit_width $width $bits
  }
}

# ... and an address space for each master.
foreach interface $settings(masters) {
  set master [ipx::get_bus_interfaces $interface -of_objects $core]
  set name [get_property master_address_space_ref $master]
  if {$name eq ""} {
    set name $interface
    ipx::add_address_space $name $core
    set_property master_address_space_ref $name $master
  }
  set space [ipx::get_address_spaces $name -of_objects $core]
  set_property range [expr {1 << $settings(address_bits)}] $space
  set_property width $settings(address_bits) $space
}

ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project
