# SPDX-License-Identifier: Apache-2.0
"""Hardware handoff (.hwh) of a design around the accelerator: where PYNQ finds registers and interrupts.

    python -m peritus.hw.emit_hwh HW FILE

Vivado writes such a file beside every bitstream. This one is generated from the same names (peritus.hw.ip),
so that PYNQ's own parser binds the driver where there is no Vivado: for simulation and tests. It has what
PYNQ looks at: the processor with its clocks, the accelerator, and the interrupt controller between them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from peritus.hw import ip
from peritus.hw import registers as reg
from peritus.hw.config import HwConfig, load_config
from peritus.hw.pl_clock import IO_PLL_MHZ, divisor_for
from peritus.hw.register_field import Field

PROCESSOR = "zynq_ultra_ps_e_0"
_PROCESSOR_VLNV = "xilinx.com:ip:zynq_ultra_ps_e:3.4"
_AXI = "xilinx.com:interface:aximm:1.0"


def hardware_handoff(hw: HwConfig, *, vlnv: str = ip.VLNV) -> str:
    """The .hwh, XML text, of a Zynq UltraScale+ design with the accelerator of configuration `hw`.

    vlnv: of the accelerator's cell.
    """
    root = Element("EDKSYSTEM", EDWVERSION="1.2", VIVADOVERSION="")
    SubElement(root, "SYSTEMINFO", ARCH="zynquplus", NAME=f"peritus_{hw.name}")
    SubElement(root, "EXTERNALPORTS")
    SubElement(root, "EXTERNALINTERFACES")
    modules = SubElement(root, "MODULES")
    _processor(modules, hw)
    _accelerator(modules, hw, vlnv)
    _interrupt_controller(modules)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _module(parent: Element, instance: str, vlnv: str, parameters: dict[str, str]) -> Element:
    _, _, name, version = vlnv.split(":")
    module = SubElement(
        parent,
        "MODULE",
        FULLNAME=f"/{instance}",
        INSTANCE=instance,
        MODTYPE=name,
        HWVERSION=version,
        IS_ENABLE="1",
        VLNV=vlnv,
    )
    values = SubElement(module, "PARAMETERS")
    for key, value in parameters.items():
        SubElement(values, "PARAMETER", NAME=key, VALUE=value)
    return module


def _interface(module: Element, name: str, kind: str, data_bits: int) -> None:
    interfaces = module.find("BUSINTERFACES")
    if interfaces is None:
        interfaces = SubElement(module, "BUSINTERFACES")
    interface = SubElement(interfaces, "BUSINTERFACE", NAME=name, TYPE=kind, VLNV=_AXI)
    SubElement(interface, "PARAMETER", NAME="DATA_WIDTH", VALUE=str(data_bits))


def _interrupt_port(module: Element, name: str, direction: str, peer: str, peer_port: str) -> None:
    """A one-bit interrupt pin, connected to `peer_port` of instance `peer`."""
    ports = module.find("PORTS")
    if ports is None:
        ports = SubElement(module, "PORTS")
    net = f"{module.get('INSTANCE')}_{name}" if direction == "O" else f"{peer}_{peer_port}"
    port = SubElement(ports, "PORT", DIR=direction, NAME=name, SIGIS="INTERRUPT", SIGNAME=net)
    connections = SubElement(port, "CONNECTIONS")
    SubElement(connections, "CONNECTION", INSTANCE=peer, PORT=peer_port)


def _processor(modules: Element, hw: HwConfig) -> None:
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
        parameters[f"C_SAXIGP{index + 2}_DATA_WIDTH"] = str(port.data_bits)  # S_AXI_HP0_FPD is GP2
    module = _module(modules, PROCESSOR, _PROCESSOR_VLNV, parameters)
    _interrupt_port(module, "pl_ps_irq0", "I", ip.CONTROLLER, "irq")
    _interface(module, "M_AXI_HPM0_FPD", "MASTER", 32)
    for index, port in enumerate(ip.memory_ports(hw)):
        _interface(module, f"S_AXI_HP{index}_FPD", "SLAVE", port.data_bits)
    memory_map = SubElement(module, "MEMORYMAP")
    for instance, interface, base, size in (
        (ip.INSTANCE, ip.REGISTERS, ip.REGISTER_BASE, ip.REGISTER_BYTES),
        (ip.CONTROLLER, "s_axi", ip.CONTROLLER_BASE, ip.CONTROLLER_BYTES),
    ):
        SubElement(
            memory_map,
            "MEMRANGE",
            ADDRESSBLOCK="reg0",
            BASEVALUE=f"0x{base:08X}",
            HIGHVALUE=f"0x{base + size - 1:08X}",
            INSTANCE=instance,
            IS_DATA="TRUE",
            MASTERBUSINTERFACE="M_AXI_HPM0_FPD",
            MEMTYPE="REGISTER",
            SLAVEBUSINTERFACE=interface,
        )


def _accelerator(modules: Element, hw: HwConfig, vlnv: str) -> None:
    module = _module(modules, ip.INSTANCE, vlnv, {"CONFIGURATION": hw.name})
    blocks = SubElement(module, "ADDRESSBLOCKS")
    block = SubElement(
        blocks,
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
    _interrupt_port(module, ip.INTERRUPT, "O", ip.CONTROLLER, "intr")
    _interface(module, ip.REGISTERS, "SLAVE", 32)
    for port in ip.memory_ports(hw):
        _interface(module, port.name, "MASTER", port.data_bits)


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


def _interrupt_controller(modules: Element) -> None:
    module = _module(modules, ip.CONTROLLER, ip.CONTROLLER_VLNV, {"C_IRQ_CONNECTION": "1"})
    _interrupt_port(module, "intr", "I", ip.INSTANCE, ip.INTERRUPT)
    _interrupt_port(module, "irq", "O", PROCESSOR, "pl_ps_irq0")
    _interface(module, "s_axi", "SLAVE", 32)


def main(arguments: list[str]) -> int:
    """Write the .hwh of a configuration."""
    if len(arguments) != 2:
        print("usage: python -m peritus.hw.emit_hwh HW FILE", file=sys.stderr)
        return 2
    Path(arguments[1]).write_text(hardware_handoff(load_config(arguments[0])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
