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
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from peritus.arch import ip
from peritus.arch import registers as reg
from peritus.arch.config import HwConfig, load_config
from peritus.arch.pl_clock import IO_PLL_MHZ, divisor_for
from peritus.arch.ps_ports import PS_PORTS, PsPort
from peritus.arch.register_field import Field
from peritus.codegen.hwh_design import CONTROL, READ, WRITE, HwhDesign

PROCESSOR = "zynq"
_PROCESSOR_VLNV = "xilinx.com:ip:zynq_ultra_ps_e:3.4"
_SMARTCONNECT = "xilinx.com:ip:smartconnect:1.0"
_RESET = "xilinx.com:ip:proc_sys_reset:5.0"
_MMCM = "xilinx.com:ip:clk_wiz:6.0"


def hardware_handoff(hw: HwConfig, *, vlnv: str = ip.VLNV, ps_ports: Sequence[str] = ()) -> str:
    """The .hwh, XML text, of the Zynq UltraScale+ design with the accelerator of configuration `hw`.

    vlnv: of the accelerator's cell. ps_ports: of the processor, one a memory port; default HP0, HP1 ...
    Of the processor's memory only DDR_LOW is there, which every board has.
    """
    design = HwhDesign()
    ports = ip.memory_ports(hw)
    behind = [PS_PORTS[name] for name in ps_ports or [f"HP{index}" for index in range(len(ports))]]
    design.cell(PROCESSOR, _PROCESSOR_VLNV, _processor_parameters(hw, behind), IS_PL="FALSE")
    design.cell("reset", _RESET, {})
    design.cell(ip.INSTANCE, vlnv, {"CONFIGURATION": hw.name})
    design.cell(ip.CONTROLLER, ip.CONTROLLER_VLNV, {"C_IRQ_CONNECTION": "1"})
    design.cell("control", _SMARTCONNECT, {"NUM_SI": "1", "NUM_MI": "2"})
    if hw.dsp_ratio == 2:
        design.cell("clocks", _MMCM, {})

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
    for port, ps in zip(ports, behind, strict=True):
        channels = both if port.writes else READ
        design.bus((ip.INSTANCE, port.name), (PROCESSOR, ps.interface), port.data_bits, channels)

    clocked = [(ip.INSTANCE, ip.CLOCK), (ip.CONTROLLER, "s_axi_aclk"), ("reset", "slowest_sync_clk")]
    clocked += [(PROCESSOR, "maxihpm0_fpd_aclk")]
    clocked += [(PROCESSOR, ps.clock) for ps in behind]
    clocked += [("control", "aclk")]
    hertz = IO_PLL_MHZ * 1e6 / divisor_for(hw.clock_mhz)
    reset = [("reset", "ext_reset_in")]
    if hw.dsp_ratio == 2:
        _clock(design, (PROCESSOR, "pl_clk0"), [("clocks", "clk_in1")], hertz)
        _clock(design, ("clocks", "clk_out1"), clocked, hertz)
        _clock(design, ("clocks", "clk_out2"), [(ip.INSTANCE, ip.FAST_CLOCK)], 2 * hertz)
        design.net(("clocks", "locked"), [("reset", "dcm_locked")])
        reset.append(("clocks", "resetn"))
    else:
        _clock(design, (PROCESSOR, "pl_clk0"), clocked, hertz)
    design.net((PROCESSOR, "pl_resetn0"), reset, SIGIS="rst", POLARITY="ACTIVE_LOW")
    resets = [
        (ip.INSTANCE, ip.RESET),
        (ip.CONTROLLER, "s_axi_aresetn"),
        ("control", "aresetn"),
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
    for port, ps in zip(ports, behind, strict=True):
        segment = f"{ps.name}_DDR_LOW"
        design.memory((ip.INSTANCE, port.name), (PROCESSOR, ps.interface), segment, 0, 1 << 31, "MEMORY")
    return design.text()


def _clock(design: HwhDesign, driver: tuple[str, str], loads: list[tuple[str, str]], hertz: float) -> None:
    design.net(driver, loads, SIGIS="clk", CLKFREQUENCY=f"{hertz:.0f}")


def _processor_parameters(hw: HwConfig, behind: Sequence[PsPort]) -> dict[str, str]:
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
    for ps, port in zip(behind, ip.memory_ports(hw), strict=True):
        parameters[f"C_SAXIGP{ps.gp}_DATA_WIDTH"] = str(port.data_bits)
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
