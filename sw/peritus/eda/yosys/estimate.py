# SPDX-License-Identifier: Apache-2.0
"""Does a configuration fit an XCZU7EV? An estimate by open synthesis for UltraScale+, block by block.

    peritus build zcu104 --estimate

Lanes are alike: a block whose only size is PN is synthesized with two small numbers of lanes, and every count
is continued along the straight line through both to PN. A block that has other sizes, or few lanes, is
synthesized as it is. What joins the blocks (and the memories of the core) is the top, synthesized with the
blocks emptied; how often each occurs is read from its netlist. Reports are cached by content, one per block.

Not Vivado's numbers: nothing is placed, no logic crosses the border of a block, and of the multipliers only
those that are instantiated use the registers of their slice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from peritus.arch.config import HwConfig
from peritus.cache import open_cache
from peritus.eda.sources import TOP, design_files
from peritus.eda.yosys import netlist, xcup
from peritus.eda.yosys.xcup_synth import Sources

TIMEOUT_S = 3600.0  # of each block
SAMPLES = (4, 8)  # lanes that a block of lanes is synthesized with; softmax_rows needs at least four
# Blocks that consist of PN equal lanes besides what they have once.
LANE_BLOCKS = tuple(
    f"peritus_{name}"
    for name in ("mac_array", "accumulator", "epilogue", "write_back", "softmax_rows", "layernorm")
)
# Blocks synthesized as they are.
WHOLE_BLOCKS = tuple(
    f"peritus_{name}"
    for name in (
        "operand_fetch", "tile_loader", "streamer", "sequencer", "router", "res_init", "res_copy",
        "memory_side", "control_unit",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Synthesis:
    """One synthesis: resources (xcup.RESOURCES), blocks left out by name, deepest logic between registers."""

    resources: dict[str, float]
    left_out: dict[str, int]
    levels: int
    start: str
    end: str


@dataclass(frozen=True)
class BlockEstimate:
    """One block of the design; resources of all `count` of it.

    lanes: what it was synthesized with, () if as it is. levels, start, end: deepest logic between registers.
    """

    name: str
    count: int
    lanes: tuple[int, ...]
    resources: dict[str, float]
    levels: int
    start: str
    end: str

    def times(self, count: int) -> BlockEstimate:
        """`count` times one block."""
        resources = {kind: count * value for kind, value in self.resources.items()}
        return replace(self, count=count, resources=resources)


@dataclass(frozen=True)
class Estimate:
    """Blocks in order of LUTs, and their sum."""

    hw: str
    tool: str
    blocks: tuple[BlockEstimate, ...]

    @property
    def total(self) -> dict[str, float]:
        """Resources of the whole accelerator."""
        return {kind: sum(block.resources[kind] for block in self.blocks) for kind in xcup.RESOURCES}

    def record(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "hw": self.hw,
            "estimate": True,
            "yosys": self.tool,
            "device": {"name": xcup.DEVICE, **xcup.CAPACITY},
            "total": self.total,
            "blocks": [asdict(block) for block in self.blocks],
        }


def estimate(
    hw: HwConfig,
    *,
    cache_dir: Path | None = None,
    timeout_s: float = TIMEOUT_S,
    progress: Callable[[str], None] | None = None,
) -> Estimate:
    """Resources and logic depth of configuration `hw` with DSP48E2 multipliers.

    Args:
        timeout_s: limit for each block.
        progress: told which block is being synthesized.

    Raises:
        BuildError: Yosys refuses a block or takes too long.
        NetlistError: see `netlist.analyse`.
        ToolNotFound: Yosys is not installed.
    """
    work = Synthesizer(hw, cache_dir=cache_dir, timeout_s=timeout_s, progress=progress)
    blocks = (*LANE_BLOCKS, *WHOLE_BLOCKS)
    top = work.run(TOP, left_out=blocks)
    found = [work.block(name, hw.pn).times(top.left_out[name]) for name in blocks]
    found.append(BlockEstimate("(top)", 1, (), top.resources, top.levels, top.start, top.end))
    found.sort(key=lambda block: -block.resources["LUT"])
    return Estimate(hw.name, work.tool, tuple(found))


class Synthesizer:
    """Runs Yosys on modules of one configuration.

    files: in place of all that the accelerator needs, packages first; one named peritus_pkg.sv is the
    configuration.
    """

    def __init__(
        self,
        hw: HwConfig,
        *,
        files: Sequence[Path] | None = None,
        cache_dir: Path | None = None,
        timeout_s: float = TIMEOUT_S,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self._design = Sources.of(files or design_files(TOP, hw))
        self.tool = self._design.tool
        self._cache = open_cache("estimated", cache_dir)
        self._timeout_s, self._progress = timeout_s, progress

    def block(self, name: str, lanes: int) -> BlockEstimate:
        """One block of the design, with `lanes` lanes if it is one of LANE_BLOCKS."""
        if name not in LANE_BLOCKS or lanes <= max(SAMPLES):
            run = self.run(name)
            return BlockEstimate(name, 1, (), run.resources, run.levels, run.start, run.end)
        runs = [self.run(name, lanes=sample) for sample in SAMPLES]
        deepest = max(runs, key=lambda run: run.levels)
        total = continued([run.resources for run in runs], SAMPLES, lanes)
        return BlockEstimate(name, 1, SAMPLES, total, deepest.levels, deepest.start, deepest.end)

    def run(
        self,
        top: str,
        *,
        lanes: int | None = None,
        parameters: Mapping[str, int] | None = None,
        left_out: Sequence[str] = (),
    ) -> Synthesis:
        """Synthesize module `top`, flat; `lanes` replaces PN, modules `left_out` stay empty boxes."""
        design = self._design if lanes is None else self._design.with_lanes(lanes)
        commands = design.script(top, parameters or {}, left_out)
        own = [Path(__file__), Path(netlist.__file__), Path(xcup.__file__)]
        key = design.key(commands, own)
        log = self._cache.root / f"{top}-{key[:12]}.log"

        def build(draft: Path) -> None:
            if self._progress:
                self._progress(f"{top} with {lanes} lanes" if lanes else top)
            design.synthesize(draft, commands, log, f"estimate of {top!r}", timeout_s=self._timeout_s)
            result = _synthesis(json.loads((draft / "netlist.json").read_text()), top, left_out)
            (draft / "netlist.json").unlink()
            (draft / "report.json").write_text(json.dumps(asdict(result), indent=1))

        entry = self._cache.get(key, build, lock_timeout_s=self._timeout_s)
        return Synthesis(**json.loads((entry / "report.json").read_text()))


def _synthesis(design: dict[str, Any], top: str, left_out: Sequence[str]) -> Synthesis:
    module = design["modules"][top]
    cells = module["cells"]
    for cell in cells.values():  # a module left out is called by its name and its parameters
        base = cell["type"].lstrip("\\").split("$")[0]
        if base in left_out:
            cell["type"] = base
    xcup.mark_registered_dsps(design, top)
    library = replace(xcup.CELLS, clocked=xcup.CELLS.clocked | set(left_out))
    analysis = netlist.analyse(design, top, library)
    counts = Counter(cell["type"] for cell in cells.values())
    deepest = analysis.paths[0] if analysis.paths else netlist.LogicPath(0, "", "", ())
    boxes = {name: counts[name] for name in left_out}
    if absent := [name for name, count in boxes.items() if not count]:
        raise netlist.NetlistError(f"{top} has no {', '.join(absent)}, which should be left out")
    return Synthesis(xcup.resources(counts), boxes, deepest.levels, deepest.start, deepest.end)


def continued(counts: Sequence[Mapping[str, float]], samples: Sequence[int], lanes: int) -> dict[str, float]:
    """Each count on the straight line through those of two numbers of lanes, at `lanes`."""
    (first, second), (low, high) = counts, samples
    return {kind: first[kind] + (second[kind] - first[kind]) * (lanes - low) / (high - low) for kind in first}
