# SPDX-License-Identifier: Apache-2.0
"""Hardware handoff (.hwh) of the block design around the accelerator: what PYNQ reads beside a bitstream.

    python -m peritus.codegen.hwh HW FILE

Vivado writes such a file with every bitstream. This one is generated, so that PYNQ's own parser binds the
driver where there is no Vivado: for simulation and tests. It has the cells, nets, buses and addresses of
build/tcl/block_design.tcl (tests/board compares them), without what PYNQ has no use for: most parameters, and
the registers of other IP.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from peritus.arch import ip
from peritus.arch import registers as reg
from peritus.arch.config import HwConfig, load_config
from peritus.arch.pl_clock import IO_PLL_MHZ, divisor_for
from peritus.arch.register_field import Field
from peritus.codegen.hwh_design import CONTROL, READ, WRITE, HwhDesign

PROCESSOR = "zynq"
_PROCESSOR_VLNV = "xilinx.com:ip:zynq_ultra_ps_e:3.4"
_SMARTCONNECT = "xilinx.com:ip:smartconnect:1.0"
_RESET = "xilinx.com:ip:proc_sys_reset:5.0"


def hardware_handoff(hw: HwConfig, *, vlnv: str = ip.VLNV) -> str:
    """The .hwh, XML text, of the Zynq UltraScale+ design with the accelerator of configuration `hw`.

    vlnv: of the accelerator's cell. Of the processor's memory only DDR_LOW is there, which every board has.
    """
    design = HwhDesign()
    ports = ip.memory_ports(hw)
    hp_ports = [f"S_AXI_HP{index}_FPD" for index in range(len(ports))]
    design.cell(PROCESSOR, _PROCESSOR_VLNV, _processor_parameters(hw), IS_PL="FALSE")
    design.cell("reset", _RESET, {})
    design.cell(ip.INSTANCE, vlnv, {"CONFIGURATION": hw.name})
    design.cell(ip.CONTROLLER, ip.CONTROLLER_VLNV, {"C_IRQ_CONNECTION": "1"})
    design.cell("control", _SMARTCONNECT, {"NUM_SI": "1", "NUM_MI": "2"})
    for index in range(len(ports)):
        design.cell(f"memory_{index}", _SMARTCONNECT, {"NUM_SI": "1", "NUM_MI": "1"})
    connects = ["control", *(f"memory_{index}" for index in range(len(ports)))]

    both = READ | WRITE
    design.bus((PROCESSOR, CONTROL), ("control", "S00_AXI"), 32, both)
    registers = (
        (ip.INSTANCE, ip.REGISTERS, ip.REGISTER_BYTES),
        (ip.CONTROLLER, "s_axi", ip.CONTROLLER_BYTES),
    )
    for index, (cell, interface, size) in enumerate(registers):
        bits = (size - 1).bit_length()
        design.bus(
            ("control", f"M{index:02d}_AXI"), (cell, interface), 32, both, address_bits=bits, lite=True
        )
    for index, (port, hp) in enumerate(zip(ports, hp_ports, strict=True)):
        channels = both if port.writes else READ
        design.bus((ip.INSTANCE, port.name), (f"memory_{index}", "S00_AXI"), port.data_bits, channels)
        design.bus((f"memory_{index}", "M00_AXI"), (PROCESSOR, hp), port.data_bits, channels)

    clocked = [(ip.INSTANCE, ip.CLOCK), (ip.CONTROLLER, "s_axi_aclk"), ("reset", "slowest_sync_clk")]
    clocked += [(PROCESSOR, "maxihpm0_fpd_aclk")]
    clocked += [(PROCESSOR, f"saxihp{index}_fpd_aclk") for index in range(len(ports))]
    clocked += [(cell, "aclk") for cell in connects]
    frequency = f"{IO_PLL_MHZ * 1e6 / divisor_for(hw.clock_mhz):.0f}"
    design.net((PROCESSOR, "pl_clk0"), clocked, SIGIS="clk", CLKFREQUENCY=frequency)
    design.net((PROCESSOR, "pl_resetn0"), [("reset", "ext_reset_in")], SIGIS="rst", POLARITY="ACTIVE_LOW")
    resets = [
        (ip.INSTANCE, ip.RESET),
        (ip.CONTROLLER, "s_axi_aresetn"),
        *((cell, "aresetn") for cell in connects),
    ]
    design.net(("reset", "peripheral_aresetn"), resets, SIGIS="rst", POLARITY="ACTIVE_LOW")
    for driver, load in (
        ((ip.INSTANCE, ip.INTERRUPT), (ip.CONTROLLER, "intr")),
        ((ip.CONTROLLER, "irq"), (PROCESSOR, "pl_ps_irq0")),
    ):
        design.net(driver, [load], SIGIS="INTERRUPT", SENSITIVITY="LEVEL_HIGH")

    _address_block(design.cells[ip.INSTANCE])
    master = (PROCESSOR, CONTROL)
    design.memory(master, (ip.INSTANCE, ip.REGISTERS), "reg0", ip.REGISTER_BASE, ip.REGISTER_BYTES)
    design.memory(master, (ip.CONTROLLER, "s_axi"), "Reg", ip.CONTROLLER_BASE, ip.CONTROLLER_BYTES)
    for index, (port, hp) in enumerate(zip(ports, hp_ports, strict=True)):
        design.memory((ip.INSTANCE, port.name), (PROCESSOR, hp), f"HP{index}_DDR_LOW", 0, 1 << 31, "MEMORY")
    return design.text()


def _processor_parameters(hw: HwConfig) -> dict[str, str]:
    divisor = divisor_for(hw.clock_mhz)
    parameters = {"C_MAXIGP0_DATA_WIDTH": "32"}
    for clock in range(4):
        used = clock == 0
        prefix = f"PSU__CRL_APB__PL{clock}_REF_CTRL__"
        parameters[f"PSU__FPGA_PL{clock}_ENABLE"] = str(int(used))
        parameters[prefix + "SRCSEL"] = "IOPLL"
        parameters[prefix + "DIVISOR0"] = str(divisor if used else 15)
        parameters[prefix + "DIVISOR1"] = "1"
        parameters[prefix + "ACT_FREQMHZ"] = f"{IO_PLL_MHZ / divisor if used else 100:.6f}"
    for index, port in enumerate(ip.memory_ports(hw)):
        parameters[f"C_SAXIGP{index + 2}_DATA_WIDTH"] = str(port.data_bits)
    return parameters


def _address_block(module: Element) -> None:
    """The accelerator's registers, from its IP-XACT description."""
    block = SubElement(
        SubElement(module, "ADDRESSBLOCKS"),
        "ADDRESSBLOCK",
        ACCESS="",
        INTERFACE=ip.REGISTERS,
        NAME="reg0",
        RANGE=str(ip.REGISTER_BYTES),
        USAGE="register",
    )
    table = SubElement(block, "REGISTERS")
    for offset in reg.Offset:
        _register(table, offset)


def _register(table: Element, offset: reg.Offset) -> None:
    """One register with its bit fields, for PYNQ's `register_map`."""
    register = SubElement(table, "REGISTER", NAME=offset.name)
    _properties(register, ADDRESS_OFFSET=f"0x{offset:X}", SIZE="32", ACCESS="read-write", IS_ENABLED="true")
    prefix = f"{offset.name}_"
    fields = {
        name.removeprefix(prefix): field
        for name, field in vars(reg).items()
        if isinstance(field, Field) and name.startswith(prefix)
    }
    if fields:
        parent = SubElement(register, "FIELDS")
        for name, field in fields.items():
            element = SubElement(parent, "FIELD", NAME=name)
            _properties(element, BIT_OFFSET=str(field.lsb), BIT_WIDTH=str(field.width), ACCESS="read-write")


def _properties(element: Element, **values: str) -> None:
    for name, value in {"DESCRIPTION": element.get("NAME", ""), **values}.items():
        SubElement(element, "PROPERTY", NAME=name, VALUE=value)


def main(arguments: list[str]) -> int:
    """Write the .hwh of a configuration."""
    if len(arguments) != 2:
        print("usage: python -m peritus.codegen.hwh HW FILE", file=sys.stderr)
        return 2
    Path(arguments[1]).write_text(hardware_handoff(load_config(arguments[0])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
