# SPDX-License-Identifier: Apache-2.0
"""The generated .hwh, through both of PYNQ's parsers, and the names of the IP against the RTL's ports."""

import re
from pathlib import Path

import pytest

from peritus.arch import ip
from peritus.arch import registers as reg
from peritus.arch.config import config_names, load_config
from peritus.arch.pl_clock import TOLERANCE
from peritus.codegen.hwh import PROCESSOR, hardware_handoff, main

CELLS = {ip.INSTANCE, ip.CONTROLLER}
CELL = {
    "phys_addr": ip.REGISTER_BASE,
    "addr_range": ip.REGISTER_BYTES,
    "type": ip.VLNV,
    "fullpath": ip.INSTANCE,
}


def test_names_are_those_of_the_rtl(repository: Path) -> None:
    top = (repository / "rtl" / f"{ip.NAME}.sv").read_text()
    ports = set(re.findall(r"^  (?:input|output) +logic +(?:\[.*?\] +)?(\w+)", top, re.MULTILINE))
    assert {ip.CLOCK, ip.RESET, ip.INTERRUPT} <= ports
    assert {port for port in ports if port.startswith(ip.REGISTERS)} >= {f"{ip.REGISTERS}_awvalid"}
    writing = {name.removesuffix("_awvalid") for name in ports if name.endswith("_axi_awvalid")}
    for name in config_names():
        for port in ip.memory_ports(load_config(name)):
            assert f"{port.name}_arvalid" in ports
            assert port.writes == (port.name in writing)
    widest = max(reg.Offset)
    assert widest < ip.REGISTER_BYTES


def test_command(tmp_path: Path) -> None:
    assert main(["nano", str(tmp_path / "a.hwh")]) == 0
    assert (tmp_path / "a.hwh").read_text() == hardware_handoff(load_config("nano"))
    assert main([]) == 2


@pytest.mark.board
@pytest.mark.parametrize("name", config_names())
def test_pynq_finds_cell_registers_interrupt_and_clock(name: str, tmp_path: Path) -> None:
    from pynq.pl_server.hwh_parser import _HWHUltrascale
    from pynqmetadata.frontends import Metadata
    from pynqmetadata.views.runtime import RuntimeMetadataParser

    hw = load_config(name)
    path = tmp_path / "design.hwh"
    path.write_text(hardware_handoff(hw))
    for parser in (RuntimeMetadataParser(Metadata(input=str(path))), _HWHUltrascale(hwh_name=str(path))):
        cell = parser.ip_dict[ip.INSTANCE]
        assert {key: cell[key] for key in CELL} == CELL
        assert cell["interrupts"][ip.INTERRUPT]["controller"] == ip.CONTROLLER
        assert parser.interrupt_controllers[ip.CONTROLLER] == {"parent": "", "index": 0, "raw_irq": 121}
        offsets = {key: value["address_offset"] for key, value in cell["registers"].items()}
        assert offsets == {offset.name: int(offset) for offset in reg.Offset}
        field = cell["registers"]["STATUS"]["fields"]["QUEUE_LEVEL"]
        assert field["bit_offset"] == reg.STATUS_QUEUE_LEVEL.lsb
        assert field["bit_width"] == reg.STATUS_QUEUE_LEVEL.width
        # The registers lie behind a SmartConnect, and the memory ports of the processor are no IP of ours.
        assert {name for name, found in parser.ip_dict.items() if "phys_addr" in found} == CELLS
        assert parser.ip_dict[PROCESSOR]["type"].startswith("xilinx.com:ip:zynq_ultra_ps_e:")
        clock = parser.clock_dict[0]
        assert clock["enable"] == 1
        frequency = 1500 / clock["divisor0"] / clock["divisor1"]
        assert hw.clock_mhz * (1 - TOLERANCE) < frequency <= hw.clock_mhz
        assert clock.get("frequency", frequency) == frequency
