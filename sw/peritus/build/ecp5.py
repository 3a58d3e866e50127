# SPDX-License-Identifier: Apache-2.0
"""Boards with an ECP5, by open tools: placed and routed once, then a bitstream for each bundle."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from peritus.build.board import Board
from peritus.build.ecp5_image import memory_bytes, preload
from peritus.build.errors import BoardFileError, TimingNotMet
from peritus.demo import SCENE
from peritus.hw.config import load_config
from peritus.link.image import memory_image
from peritus.program.bundle import Bundle
from peritus.resources import resource
from peritus.toolchain.pnr import PlacedDesign, Target, place_and_route, write_bitstream
from peritus.toolchain.pnr_report import PnrReport, read_report
from peritus.toolchain.rtl import link_sources

__all__ = ["PnrReport", "check_timing", "ecp5_settings", "package", "place_board", "read_report"]

_RUN = """\
#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One picture through the accelerator:  ./run.sh [PICTURE [TASK]]
set -euo pipefail
picture=$(realpath "${{1:-$(dirname "${{BASH_SOURCE[0]}}")/{picture}}}")
task=${{2:-{task}}}
cd "$(dirname "${{BASH_SOURCE[0]}}")"
exec peritus run {bundle} --device {board} --image "$picture" --resize --task "$task" --output result
"""


@dataclass(frozen=True)
class Ecp5Settings:
    """Table [ecp5].

    device, package, speed, seed: peritus.toolchain.pnr.Target. top: module of the board's own .sv files.
    constraints, floorplan: the board's .lpf and .toml.
    """

    device: str
    package: str
    speed: int
    seed: int
    top: str
    constraints: str
    floorplan: str

    @property
    def target(self) -> Target:
        return Target(self.device, self.package, self.speed, self.seed)


def ecp5_settings(board: Board) -> Ecp5Settings:
    """The [ecp5] table of a board; BoardFileError for an unknown or missing field, or another flow."""
    if board.flow != "ecp5":
        raise BoardFileError(f"board {board.name}: flow = {board.flow!r}, must be 'ecp5'")
    known = {field.name for field in fields(Ecp5Settings)}
    if set(board.settings) != known:
        wrong = sorted(set(board.settings) ^ known)
        raise BoardFileError(f"board {board.name}: fields {wrong} of [ecp5] are unknown or missing")
    return Ecp5Settings(**board.settings)


def place_board(
    board: Board,
    *,
    cached_only: bool = False,
    timeout_s: float,
    progress: Callable[[str], None] | None = None,
) -> PlacedDesign:
    """The board's design, placed and routed, or from the cache. The rest as place_and_route."""
    settings = ecp5_settings(board)
    folder = resource(f"boards/{board.name}")
    sources = [path for path in link_sources(board.hw) if path.suffix == ".sv"]
    return place_and_route(
        [*sources, *sorted(folder.glob("*.sv"))],
        settings.top,
        folder / settings.constraints,
        folder / settings.floorplan,
        settings.target,
        cached_only=cached_only,
        timeout_s=timeout_s,
        progress=progress,
    )


def check_timing(report: PnrReport) -> None:
    """TimingNotMet if a clock is slower than asked for, or if there is none."""
    if not report.clocks:
        raise TimingNotMet("nextpnr reports no clock")
    for clock in report.clocks:
        if not clock.met:
            path = "\n  ".join(clock.slowest)
            raise TimingNotMet(
                f"{clock.name} reaches {clock.reached_mhz:.1f} MHz, must be {clock.wanted_mhz:.1f}; slowest "
                f"path:\n  {path}"
            )


def package(
    board: Board, design: PlacedDesign, bundle: Bundle, folder: Path, *, timeout_s: float
) -> list[Path]:
    """Fill `folder` with what the first frame needs; files of the same names are replaced. Returns the files.

    peritus_<hw>.bit (the bundle is in its block RAM), <model>.bundle, run.sh, a picture, report.json.

    Raises:
        BundleConfigError: the bundle is for another configuration. ImageError: it does not fit the memory.
        TimingNotMet: see check_timing. BuildError: ecppack failed.
    """
    hw = load_config(board.hw)
    bundle.check_hardware(hw)
    report = read_report(design.report)
    check_timing(report)
    image = memory_image(bundle, memory_bytes(design.config))
    folder.mkdir(parents=True, exist_ok=True)
    bitstream = folder / f"peritus_{hw.name}.bit"
    write_bitstream(preload(design.config, image), bitstream, timeout_s=timeout_s)
    name = f"{bundle.model}.bundle"
    bundle.save(folder / name)
    shutil.copy(SCENE, folder / SCENE.name)
    run = folder / "run.sh"
    run.write_text(_RUN.format(bundle=name, board=board.name, task=bundle.tasks[0].name, picture=SCENE.name))
    run.chmod(0o755)
    record = {
        "board": board.name,
        "hw": hw.name,
        "config_hash": f"{hw.hash64:#018x}",
        "model": bundle.model,
        "seed": ecp5_settings(board).seed,
        **report.record(),
        "bitstream_bytes": bitstream.stat().st_size,
    }
    (folder / "report.json").write_text(json.dumps(record, indent=1) + "\n")
    return [bitstream, folder / name, run, folder / SCENE.name, folder / "report.json"]
