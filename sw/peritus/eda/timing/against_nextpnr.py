# SPDX-License-Identifier: Apache-2.0
"""How far the estimate is from what a placer and router makes of the same netlist.

    python -m peritus.eda.timing.against_nextpnr          designs that the wires were not fitted to; error
    python -m peritus.eda.timing.against_nextpnr --fit    the others, and the constants that they give

Same method, another table: the delays of an ECP5 (ecp5_6.toml). nextpnr places and routes blocks of `nano`
alone, without pins, and the whole accelerator as it goes onto the ULX3S. Placing is cached; a first run takes
half an hour.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import hashlib
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from peritus.arch.config import load_config
from peritus.cache import digest, open_cache
from peritus.eda.board import load_board
from peritus.eda.ecp5 import pnr
from peritus.eda.ecp5.board import ecp5_settings, place_board
from peritus.eda.packages import package_version
from peritus.eda.process import run_step
from peritus.eda.sources import design_files, tool_names
from peritus.eda.timing.analysis import Analysis
from peritus.eda.timing.graph import Graph
from peritus.eda.timing.library import Library
from peritus.eda.yosys.netlist import ECP5
from peritus.errors import PeritusError

LIBRARY = "ecp5_6"
BOARD, HW = "ulx3s", "nano"
# Chosen before any was placed.
FITTED = ("peritus_activation", "peritus_epilogue", "peritus_layernorm")
TESTED = ("peritus_router", "peritus_softmax_rows", "peritus_streamer", "peritus_tile_loader")
TIMEOUT_S = 3600.0
_NETLIST, _REPORT = Path("netlist.json"), Path("report.json")
_OPTIONS = ("--out-of-context", "--freq", "50", "--timing-allow-fail", "--seed", "1")


@dataclass(frozen=True)
class Placed:
    """A netlist, its top, and nextpnr's report of it."""

    top: str
    netlist: dict[str, Any]
    report: dict[str, Any]

    @property
    def path(self) -> list[dict[str, Any]]:
        """Steps of the slowest path from clock edge to clock edge."""
        inside = [path for path in self.report["critical_paths"] if path["from"] == path["to"]]
        slowest = max(inside, key=lambda path: sum(step["delay"] for step in path["path"]))
        return list(slowest["path"])

    @property
    def ns(self) -> float:
        return float(sum(step["delay"] for step in self.path))


@dataclass(frozen=True)
class Comparison:
    """Slowest paths in ns: nextpnr's, ours, and ours of the registers that nextpnr's leads to."""

    design: str
    placed_ns: float
    estimated_ns: float
    same_end_ns: float

    @property
    def error(self) -> float:
        return self.estimated_ns / self.placed_ns - 1


def place_alone(top: str, *, timeout_s: float = TIMEOUT_S) -> Placed:
    """A block of HW placed and routed alone on the board's device; cache `placed`.

    Raises:
        BuildError, ToolNotFound: as pnr.place_and_route.
    """
    target = ecp5_settings(load_board(BOARD)).target
    sources = design_files(top, load_config(HW))
    files = [pnr.SOURCES / name for name in tool_names(sources)]
    commands = pnr.script(files, top)
    tools = {tool: package_version(tool, "synth") for tool in (pnr.YOSYS, pnr.NEXTPNR)}
    contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sources]
    cache = open_cache("placed")
    key = digest([tools, commands, _OPTIONS, contents, target.device, target.package, target.speed])
    log = cache.root / f"{top}-{key[:12]}.log"

    def build(draft: Path) -> None:
        for path, file in zip(sources, files, strict=True):
            (draft / file).parent.mkdir(parents=True, exist_ok=True)
            (draft / file).write_bytes(path.read_bytes())
        (draft / "script.ys").write_text(commands + "\n")
        log.unlink(missing_ok=True)
        device = (f"--{target.device}", "--package", target.package, "--speed", str(target.speed))
        files_of = ("--json", str(_NETLIST), "--report", str(_REPORT))
        for tool, arguments in ((pnr.YOSYS, ["script.ys"]), (pnr.NEXTPNR, [*device, *files_of, *_OPTIONS])):
            command = [str(Path(sys.prefix) / "bin" / tool), *arguments]
            run_step(f"{tool} of {top!r}", command, cwd=draft, log=log, timeout_s=timeout_s)
        (draft / pnr.KEPT).write_bytes(gzip.compress((draft / _NETLIST).read_bytes(), mtime=0))
        (draft / _NETLIST).unlink()

    entry = cache.get(key, build, lock_timeout_s=2 * timeout_s)
    netlist = json.loads(gzip.decompress((entry / pnr.KEPT).read_bytes()))
    return Placed(top, netlist, json.loads((entry / _REPORT).read_text()))


def place_whole(*, timeout_s: float = TIMEOUT_S) -> Placed:
    """The accelerator as it goes onto the board."""
    board = load_board(BOARD)
    placed = place_board(board, timeout_s=timeout_s)
    netlist = json.loads(gzip.decompress(placed.netlist.read_bytes()))
    return Placed(ecp5_settings(board).top, netlist, placed.report)


def compare(placed: Placed) -> Comparison:
    """The estimate of the netlist against nextpnr's result."""
    analysis = Analysis(graph_of(placed))
    end = placed.path[-1]["to"]["cell"]
    same = analysis.ends.get(end)
    return Comparison(placed.top, placed.ns, analysis.worst_ns, same.ns if same else math.nan)


def graph_of(placed: Placed) -> Graph:
    """The netlist with the table's delays; pins and clock sources, which have none, left out."""
    module = placed.netlist["modules"][placed.top]
    outside = {
        name for name, cell in module["cells"].items() if cell["type"] in ("EHXPLLL", "TRELLIS_IO", "DCCA")
    }
    inside = {name: cell for name, cell in module["cells"].items() if name not in outside}
    design = {"modules": {placed.top: {**module, "cells": inside}}}
    return Graph(design, placed.top, Library.load(LIBRARY), ECP5)


def wires(placed: Placed) -> Iterator[tuple[float, float]]:
    """Of each wire on the slowest path that leaves its slice: sqrt of the area of its net's cells, ns."""
    graph = graph_of(placed)
    names = placed.netlist["modules"][placed.top]["netnames"]
    for step in placed.path:
        if step["type"] == "routing" and step["delay"] > 0:
            bit = _bit(names, step["net"])
            if bit in graph.nets:
                yield math.sqrt(graph.area(graph.nets[bit])), step["delay"]


def _bit(names: dict[str, Any], net: str) -> int:
    """A net by nextpnr's name of it: that of Yosys, with an index for words."""
    if net in names and len(names[net]["bits"]) == 1:
        return int(names[net]["bits"][0])
    word, _, index = net.rpartition("[")
    return int(names[word]["bits"][int(index.rstrip("]"))]) if word in names else -1


def fit(designs: Sequence[Placed]) -> tuple[float, float, int]:
    """base and per_slice of the table by least squares, and how many wires gave them."""
    points = np.array([wire for placed in designs for wire in wires(placed)])
    terms = np.stack([np.ones(len(points)), points[:, 0]], axis=1)
    (base, per_slice), *_ = np.linalg.lstsq(terms, points[:, 1], rcond=None)
    return float(base), float(per_slice), len(points)


def main() -> int:
    parser = argparse.ArgumentParser(description="The timing estimate against nextpnr's result.")
    parser.add_argument("--fit", action="store_true", help="the designs that the wires were fitted to")
    args = parser.parse_args()
    console = Console()
    places: list[Callable[[], Placed]] = [
        functools.partial(place_alone, top) for top in (FITTED if args.fit else TESTED)
    ]
    if not args.fit:
        places.append(place_whole)  # last: it takes longest, and may run out of time
    table = Table("design", "nextpnr ns", "estimate ns", "error", "estimate at nextpnr's end")
    designs = []
    failed = ""
    try:
        for place in places:
            designs.append(place())
            found = compare(designs[-1])
            numbers = (found.placed_ns, found.estimated_ns, found.same_end_ns)
            placed, estimated, same = (f"{ns:.2f}" for ns in numbers)
            table.add_row(found.design, placed, estimated, f"{found.error:+.0%}", same)
    except PeritusError as error:
        failed = str(error)
    console.print(table)
    if failed:
        print(f"error: {failed}", file=sys.stderr)
        return 1
    if args.fit:
        base, per_slice, count = fit(designs)
        console.print(f"base = {base:.3f}, per_slice = {per_slice:.4f} by {count} wires")
    return 0


if __name__ == "__main__":
    sys.exit(main())
