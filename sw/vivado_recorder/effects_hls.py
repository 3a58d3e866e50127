# SPDX-License-Identifier: Apache-2.0
"""Effects of the commands of Vitis HLS: a function, its pragmas of INTERFACE, and the IP made of them.

Interfaces get their names as UG1399 says: m_axi_BUNDLE and s_axi_BUNDLE (`control` without one), ap_clk,
ap_rst_n, interrupt. The widths of m_axi are not modelled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from vivado_recorder.effects_project import Result
from vivado_recorder.errors import ScriptError
from vivado_recorder.model import Model
from vivado_recorder.table import Call

_INTERFACE = re.compile(r"^#pragma HLS INTERFACE mode=(\w+) port=(\w+)(.*)$", re.MULTILINE)
_RETURN = "return"
_SEGMENT = {"name": "Reg", "range": 0x1_0000, "smallest": 0x1000}


def hls_set(model: Model, call: Call) -> Result:
    """open_project, set_top, open_solution: each has one name."""
    model.hls |= {name: words[0] for name, words in call.arguments.items()}
    return None


def hls_files(model: Model, call: Call) -> Result:
    if "tb" not in call.flags:
        model.hls_sources += [model.folder / file for file in call.arguments["files"]]
    return None


def hls_export(model: Model, call: Call) -> Result:
    """The folder of the IP, with a stand-in of its description; what it is goes into the catalog."""
    if missing := [name for name in ("project", "top", "solution") if name not in model.hls]:
        raise ScriptError(f"export_design: no {missing[0]}")
    folder = model.folder / model.hls["project"] / model.hls["solution"] / "impl" / "ip"
    spec = _spec(model.hls["top"], [path.read_text() for path in model.hls_sources])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "component.xml").write_text("recorded, not exported\n")
    vlnv = ":".join(call.values[name] for name in ("vendor", "library", "ipname", "version"))
    model.exported[vlnv] = {**spec, "packaged_in": str(folder.resolve()), "listed": False}
    return None


def _spec(top: str, sources: list[str]) -> dict[str, Any]:
    """The IP in the form of the catalog."""
    definition = re.compile(rf"^void {top}\((.*?)\) \{{\n(.*?)^\}}", re.DOTALL | re.MULTILINE)
    found = next(filter(None, map(definition.search, sources)), None)
    if found is None:
        raise ScriptError(f"export_design: no source defines void {top}(...)")
    ports = {port: (mode, options) for mode, port, options in _INTERFACE.findall(found[2])}
    names = {*(words.split()[-1].lstrip("*&") for words in found[1].split(",")), _RETURN}
    if differ := sorted(names ^ ports.keys()):
        raise ScriptError(f"export_design: {', '.join(differ)}: not both an argument and a port of a pragma")
    return {
        "config": {},
        "default": {},
        "pin": [
            {"name": "ap_clk", "direction": "I", "type": "clk"},
            {"name": "ap_rst_n", "direction": "I", "type": "rst", "polarity": "low"},
            {"name": "interrupt", "direction": "O", "type": "intr", "sensitivity": "LEVEL_HIGH"},
        ],
        "interface": list(_interfaces(ports)),
    }


def _interfaces(ports: Mapping[str, tuple[str, str]]) -> Iterator[dict[str, Any]]:
    buses: set[str] = set()
    for port, (mode, options) in ports.items():
        bundle = re.search(r"\bbundle=(\w+)", options)
        if mode not in ("m_axi", "s_axilite"):
            raise ScriptError(f"export_design: mode={mode} of {port} is not m_axi or s_axilite")
        if mode == "m_axi" and "offset=slave" not in options:
            raise ScriptError(f"export_design: {port} has no offset=slave: its address would be 0")
        buses.add(f"{mode.removesuffix('lite')}_{bundle[1] if bundle else 'control'}")
    for name in sorted(buses):
        bus: dict[str, Any] = {"name": name, "clock": "ap_clk"}
        if name.startswith("m_axi"):
            bus |= {"mode": "master", "protocol": "AXI4", "space": f"Data_{name}", "windows": [[0, 1 << 64]]}
        else:
            bus |= {"mode": "slave", "protocol": "AXI4LITE", "width": 32, "map": name, "segments": [_SEGMENT]}
        yield bus
