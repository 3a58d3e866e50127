# SPDX-License-Identifier: Apache-2.0
"""Boards with an ECP5, by open tools: placed and routed once, for all bundles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from peritus.arch.config import load_config
from peritus.eda.board import Board
from peritus.eda.ecp5.pnr import PlacedDesign, Target, place_and_route
from peritus.eda.ecp5.pnr_report import PnrReport
from peritus.eda.errors import BoardFileError, TimingNotMet
from peritus.eda.sources import design_files
from peritus.resources import resource


@dataclass(frozen=True)
class Ecp5Settings:
    """Table [ecp5].

    device, package, speed, seed: peritus.eda.ecp5.pnr.Target. top: module of the board's own .sv files.
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
    return place_and_route(
        design_files(settings.top, load_config(board.hw), [folder]),
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
