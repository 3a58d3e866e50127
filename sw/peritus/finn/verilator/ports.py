# SPDX-License-Identifier: Apache-2.0
"""The ports of a FINN module, as Verilator elaborates them: AXI streams, clocks, reset."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peritus.eda.process import run_step
from peritus.eda.verilator.install import verilator_command, verilator_environment
from peritus.finn.errors import SimulatorError

CLOCK, FAST_CLOCK, RESET = "ap_clk", "ap_clk2x", "ap_rst_n"
ELABORATION_TIMEOUT_S = 300.0
FLAGS = ("--no-timing", "-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-MULTITOP", "-Wno-WIDTH")
_STREAM = re.compile(r"^(?P<name>\w+?)_(?P<signal>tdata|tvalid|tready)$", re.IGNORECASE)
_RANGE = re.compile(r"^(\d+):0$")


@dataclass(frozen=True)
class Stream:
    """One AXI stream. data, valid, ready: names of its ports. bits: of data."""

    name: str
    bits: int
    data: str
    valid: str
    ready: str

    @property
    def words(self) -> int:
        """32-bit words that hold one beat."""
        return -(-self.bits // 32)


@dataclass(frozen=True)
class Ports:
    """Streams into and out of a module, by their order in its port list; other inputs, by name, with bits."""

    inputs: tuple[Stream, ...]
    outputs: tuple[Stream, ...]
    fast_clock: bool
    others: tuple[tuple[str, int], ...]


def read_ports(top: str, sources: Sequence[Path], include_dirs: Sequence[Path], work: Path) -> Ports:
    """Elaborate `top` and sort its ports. `work`: a folder for Verilator's files.

    Raises:
        BuildError: Verilator does not understand the sources. SimulatorError: a stream lacks one of tdata,
        tvalid, tready, or a clock or reset is missing.
    """
    command = [
        *verilator_command(),
        *("--json-only", "--top-module", top, "-Mdir", str(work), "--prefix", "Vports", *FLAGS),
        *(f"-I{folder}" for folder in include_dirs),
        *map(str, sources),
    ]
    run_step(
        f"elaboration of {top!r}",
        command,
        cwd=work,
        log=work / "elaboration.log",
        timeout_s=ELABORATION_TIMEOUT_S,
        env=verilator_environment(),
    )
    return _sorted(top, json.loads((work / "Vports.tree.json").read_text()))


def _sorted(top: str, tree: dict[str, Any]) -> Ports:
    types = {entry["addr"]: entry for table in tree["miscsp"] for entry in table.get("typesp", ())}
    module = next(m for m in tree["modulesp"] if m.get("origName") == top)
    ports = {
        entry["name"]: (entry["direction"], _bits(types[entry["dtypep"]]))
        for entry in module["stmtsp"]
        if entry["type"] == "VAR" and entry.get("isPrimaryIO")
    }
    for name in (CLOCK, RESET):
        if ports.get(name) != ("INPUT", 1):
            raise SimulatorError(f"module {top!r} has no input {name!r} of one bit, as FINN's modules have")
    signals: dict[str, dict[str, str]] = {}
    for name in ports:
        if found := _STREAM.match(name):
            signals.setdefault(found["name"], {})[found["signal"].lower()] = name
    inputs: list[Stream] = []
    outputs: list[Stream] = []
    for name, parts in signals.items():
        if len(parts) != 3:
            raise SimulatorError(f"module {top!r}: stream {name!r} has only {', '.join(sorted(parts))}")
        direction, bits = ports[parts["tdata"]]
        stream = Stream(name, bits, parts["tdata"], parts["tvalid"], parts["tready"])
        (inputs if direction == "INPUT" else outputs).append(stream)
    known = {name for parts in signals.values() for name in parts.values()} | {CLOCK, FAST_CLOCK, RESET}
    others = tuple((n, b) for n, (direction, b) in ports.items() if direction == "INPUT" and n not in known)
    return Ports(tuple(inputs), tuple(outputs), FAST_CLOCK in ports, others)


def _bits(dtype: dict[str, Any]) -> int:
    text = dtype.get("range")
    if text is None:
        return 1
    found = _RANGE.match(text)
    if found is None:
        raise SimulatorError(f"a port has range [{text}], FINN's have [N:0]")
    return int(found[1]) + 1
