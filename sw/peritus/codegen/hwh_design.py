# SPDX-License-Identifier: Apache-2.0
"""A block design as Vivado writes it into a .hwh: cells, their ports and buses, and who sees what where."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from peritus.arch.config import ADDRESS_BITS
from peritus.arch.ps_ports import PS_PORTS

DESIGN = "peritus"
CONTROL = "M_AXI_HPM0_FPD"  # the processor's master that reaches the registers
_AXI = "xilinx.com:interface:aximm:1.0"
# What the sender of a channel drives beside VALID; the other side drives READY. In brackets: not AXI4-Lite.
_ADDRESS = "ADDR PROT [ID] [LEN] [SIZE] [BURST] [CACHE]"
READ = {"AR": _ADDRESS, "R": "DATA RESP [ID] [LAST]"}
WRITE = {"AW": _ADDRESS, "W": "DATA STRB [LAST]", "B": "RESP [ID]"}
_WIDTHS = {"PROT": 3, "ID": 1, "LEN": 8, "SIZE": 3, "BURST": 2, "CACHE": 4, "RESP": 2}

Pin = tuple[str, str]  # cell, and its port or interface


class HwhDesign:
    """A block design that becomes XML: a MODULE per cell, each with its ports, interfaces and address map."""

    def __init__(self) -> None:
        self.cells: dict[str, Element] = {}

    def cell(self, name: str, vlnv: str, parameters: Mapping[str, str], **attributes: str) -> None:
        _, _, kind, version = vlnv.split(":")
        known = {
            "FULLNAME": f"/{name}",
            "INSTANCE": name,
            "MODTYPE": kind,
            "HWVERSION": version,
            "VLNV": vlnv,
        }
        module = self.cells[name] = Element("MODULE", known | {"IS_ENABLE": "1"} | attributes)
        for key, value in parameters.items():
            SubElement(_child(module, "PARAMETERS"), "PARAMETER", NAME=key, VALUE=value)

    def net(self, driver: Pin, loads: list[Pin], width: int | None = None, **attributes: str) -> None:
        """Pins joined; each says what is at the other end. width: in bits, None for a scalar."""
        vector = {} if width is None else {"LEFT": str(width - 1), "RIGHT": "0"}
        for pin, others, direction in ((driver, loads, "O"), *((load, [driver], "I") for load in loads)):
            port = SubElement(_child(self.cells[pin[0]], "PORTS"), "PORT", DIR=direction, NAME=pin[1])
            for key, value in (vector | attributes | {"SIGNAME": "_".join(driver)}).items():
                port.set(key, value)
            for cell, name in others:
                SubElement(_child(port, "CONNECTIONS"), "CONNECTION", INSTANCE=cell, PORT=name)

    def bus(
        self,
        master: Pin,
        slave: Pin,
        data_bits: int,
        channels: Mapping[str, str],
        *,
        address_bits: int = ADDRESS_BITS,
        lite: bool = False,
    ) -> None:
        """Two AXI interfaces joined, with a net for every signal."""
        maps = []
        for (cell, name), kind in ((master, "MASTER"), (slave, "SLAVE")):
            attributes = {
                "BUSNAME": "_".join(master),
                "DATAWIDTH": str(data_bits),
                "NAME": name,
                "TYPE": kind,
            }
            parent = _child(self.cells[cell], "BUSINTERFACES")
            interface = SubElement(parent, "BUSINTERFACE", attributes | {"VLNV": _AXI})
            SubElement(interface, "PARAMETER", NAME="DATA_WIDTH", VALUE=str(data_bits))
            maps.append(SubElement(interface, "PORTMAPS"))
        widths = _WIDTHS | {"DATA": data_bits, "STRB": data_bits // 8, "ADDR": address_bits}
        for channel, signals in channels.items():
            for word in ("VALID", "READY", *signals.split()):
                if lite and word.startswith("["):
                    continue
                signal = word.strip("[]")
                logical = channel + signal
                ends = [(cell, f"{_prefix(name)}_{logical.lower()}") for cell, name in (master, slave)]
                for (_, physical), table in zip(ends, maps, strict=True):
                    SubElement(table, "PORTMAP", LOGICAL=logical, PHYSICAL=physical)
                if (channel in ("R", "B")) != (signal == "READY"):
                    ends.reverse()  # the slave drives what answers, the master what takes the answer
                self.net(ends[0], ends[1:], widths.get(signal), SIGIS="undef")

    def memory(
        self, master: Pin, slave: Pin, block: str, base: int, size: int, kind: str = "REGISTER"
    ) -> None:
        """A range of addresses, listed below the master."""
        SubElement(
            _child(self.cells[master[0]], "MEMORYMAP"),
            "MEMRANGE",
            ADDRESSBLOCK=block,
            BASEVALUE=f"0x{base:08X}",
            HIGHVALUE=f"0x{base + size - 1:08X}",
            INSTANCE=slave[0],
            IS_DATA="TRUE",
            MASTERBUSINTERFACE=master[1],
            MEMTYPE=kind,
            SLAVEBUSINTERFACE=slave[1],
        )

    def text(self) -> str:
        root = Element("EDKSYSTEM", EDWVERSION="1.2", VIVADOVERSION="")
        SubElement(root, "SYSTEMINFO", ARCH="zynquplus", NAME=DESIGN)
        SubElement(root, "EXTERNALPORTS")
        SubElement(root, "EXTERNALINTERFACES")
        SubElement(root, "MODULES").extend(self.cells[name] for name in sorted(self.cells))
        ElementTree.indent(root)
        return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _child(parent: Element, tag: str) -> Element:
    """The only child of that name, made if it is not there."""
    found = parent.find(tag)
    return SubElement(parent, tag) if found is None else found


def _prefix(interface: str) -> str:
    """What the ports of an interface begin with: its name, but for the processor's (S_AXI_HP0_FPD is GP2)."""
    if interface == CONTROL:
        return "maxigp0"
    if interface.startswith("S_AXI_HP"):
        return f"saxigp{PS_PORTS[interface.split('_')[2]].gp}"
    return interface
