# SPDX-License-Identifier: Apache-2.0
"""What the IP packager reads from a Verilog top: ports, and the interfaces their attributes name (UG994)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vivado_recorder.errors import ScriptError

_ATTRIBUTE = re.compile(r'\(\* *(X_INTERFACE_\w+) *= *"([^"]*)" *\*\)')
_PORT = re.compile(r"^\s*(input|output)\s+wire\s+(?:\[(\d+):0\]\s+)?(\w+)", re.MULTILINE)
_BUS = "xilinx.com:interface:aximm:1.0"
_SIGNALS = {
    "xilinx.com:signal:clock:1.0": ("clk", "CLK"),
    "xilinx.com:signal:reset:1.0": ("rst", "RST"),
    "xilinx.com:signal:interrupt:1.0": ("intr", "INTERRUPT"),
}
# Parameters of interfaces (UG994) and their values; empty: names or numbers, checked where they count.
_PARAMETERS: dict[str, set[str]] = {
    "ASSOCIATED_BUSIF": set(),
    "ASSOCIATED_RESET": set(),
    "DATA_WIDTH": set(),
    "NUM_READ_OUTSTANDING": set(),
    "NUM_WRITE_OUTSTANDING": set(),
    "MAX_BURST_LENGTH": set(),
    "PROTOCOL": {"AXI4", "AXI4LITE", "AXI3"},
    "READ_WRITE_MODE": {"READ_WRITE", "READ_ONLY", "WRITE_ONLY"},
    "POLARITY": {"ACTIVE_LOW", "ACTIVE_HIGH"},
    "SENSITIVITY": {"LEVEL_HIGH", "LEVEL_LOW", "EDGE_RISING", "EDGE_FALLING"},
    "SUPPORTS_NARROW_BURST": {"0", "1"},
    "HAS_LOCK": {"0", "1"},
    "HAS_QOS": {"0", "1"},
    "HAS_REGION": {"0", "1"},
}
# What a bus must have: channels of reading and writing, and what bursts add to each.
_READ = {"ARVALID", "ARREADY", "ARADDR", "RVALID", "RREADY", "RDATA", "RRESP"}
_WRITE = {"AWVALID", "AWREADY", "AWADDR", "WVALID", "WREADY", "WDATA", "WSTRB", "BVALID", "BREADY", "BRESP"}
_READ_BURST = {"ARLEN", "ARSIZE", "ARBURST", "RLAST"}
_WRITE_BURST = {"AWLEN", "AWSIZE", "AWBURST", "WLAST"}


@dataclass
class Interface:
    """A bus or single-signal interface: logical signal to (port, direction, width)."""

    vlnv: str
    signals: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)


def interfaces_of(source: Path, module: str) -> dict[str, Interface]:
    """Interfaces of a module by name.

    Raises:
        ScriptError: no such module, a port in no interface, an incomplete bus, or a bus without a clock.
    """
    text = source.read_text()
    begin = text.find(f"module {module} ")
    end = text.find(");", begin)
    if begin < 0 or end < 0:
        raise ScriptError(f"{source}: no module {module}")
    text = text[begin:end]
    found: dict[str, Interface] = {}
    position = 0
    for port in _PORT.finditer(text):
        attributes = dict(_ATTRIBUTE.findall(text, position, port.start()))
        position = port.end()
        direction, high, name = port.groups()
        if "X_INTERFACE_INFO" not in attributes:
            raise ScriptError(f"{source}: port {name} has no X_INTERFACE_INFO")
        vlnv, interface, signal = attributes["X_INTERFACE_INFO"].split()
        entry = found.setdefault(interface, Interface(vlnv))
        entry.signals[signal] = (name, direction, int(high or 0) + 1)
        for pair in filter(None, attributes.get("X_INTERFACE_PARAMETER", "").split(",")):
            key, value = pair.split()
            entry.parameters[key] = value
    for name, interface in found.items():
        _check(source, name, interface, found)
    return found


def _check(source: Path, name: str, entry: Interface, all_of: Mapping[str, Interface]) -> None:
    for key, value in entry.parameters.items():
        allowed = _PARAMETERS.get(key)
        if allowed is None or (allowed and value not in allowed):
            raise ScriptError(f"{source}: {name} has parameter {key} = {value}")
    if entry.vlnv in _SIGNALS:
        if set(entry.signals) != {_SIGNALS[entry.vlnv][1]}:
            raise ScriptError(f"{source}: {name} of {entry.vlnv} has signals {sorted(entry.signals)}")
        return
    if entry.vlnv != _BUS:
        raise ScriptError(f"{source}: {name} is of unknown interface {entry.vlnv}")
    modes = entry.parameters.get("READ_WRITE_MODE", "READ_WRITE").split("_")
    bursts = entry.parameters.get("PROTOCOL") == "AXI4"
    wanted = set[str]()
    for mode, channel, burst in (("READ", _READ, _READ_BURST), ("WRITE", _WRITE, _WRITE_BURST)):
        if mode in modes:
            wanted |= channel | (burst if bursts else set())
    if missing := wanted - set(entry.signals):
        raise ScriptError(f"{source}: {name} lacks {', '.join(sorted(missing))}")
    width = entry.signals["RDATA"][2]
    if str(width) != entry.parameters.get("DATA_WIDTH"):
        raise ScriptError(
            f"{source}: {name} has {width} data bits and says {entry.parameters.get('DATA_WIDTH')}"
        )
    if clock_of(name, all_of) is None:
        raise ScriptError(f"{source}: no clock is associated with {name} (ASSOCIATED_BUSIF)")


def clock_of(name: str, interfaces: Mapping[str, Interface]) -> str | None:
    """The clock interface that a bus is associated with."""
    for clock, entry in interfaces.items():
        if name in entry.parameters.get("ASSOCIATED_BUSIF", "").split(":"):
            return clock
    return None


def ip_spec(
    interfaces: Mapping[str, Interface], addresses: Mapping[str, Mapping[str, int]]
) -> dict[str, Any]:
    """The packaged IP in the form of the catalog.

    addresses: of each bus, "range" in bytes, and "name" of the block for a slave.
    """
    pins: list[dict[str, Any]] = []
    buses: list[dict[str, Any]] = []
    for name, entry in interfaces.items():
        if entry.vlnv in _SIGNALS:
            kind, signal = _SIGNALS[entry.vlnv]
            port, direction, _ = entry.signals[signal]
            pin = {"name": port, "direction": direction[0].upper(), "type": kind, "used": True}
            if kind == "rst":
                pin["polarity"] = (
                    entry.parameters.get("POLARITY", "ACTIVE_LOW").removeprefix("ACTIVE_").lower()
                )
            if kind == "intr":
                pin["sensitivity"] = entry.parameters.get("SENSITIVITY", "not declared")
            pins.append(pin)
            continue
        mode = "master" if entry.signals["ARVALID"][1] == "output" else "slave"
        bus: dict[str, Any] = {
            "name": name,
            "mode": mode,
            "protocol": entry.parameters["PROTOCOL"],
            "width": entry.signals["RDATA"][2],
            "clock": clock_of(name, interfaces),
        }
        if mode == "master":
            bus |= {"space": name, "windows": [[0, addresses[name]["range"]]]}
        else:
            bus |= {"map": name, "segments": [addresses[name]]}
        buses.append(bus)
    return {"config": {}, "default": {}, "pin": pins, "interface": buses}
