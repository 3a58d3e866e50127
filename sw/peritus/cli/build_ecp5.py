# SPDX-License-Identifier: Apache-2.0
"""peritus build for boards with an ECP5: everything by open tools, here."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from peritus import api
from peritus.boards.ecp5 import package
from peritus.bundle import Bundle
from peritus.cli.common import busy, output_console, write_json
from peritus.eda.board import Board
from peritus.eda.ecp5.board import check_timing, place_board
from peritus.eda.ecp5.pnr_report import PnrReport, read_report


def ecp5_flow(
    board: Board, folder: Path, bundle_file: Path | None, *, timeout_s: float, json_target: str | None
) -> None:
    """Place and route, or take that from the cache; then a bitstream with the bundle in it."""
    with busy(f"Yosys and nextpnr build {board.name}: minutes, once") as update:
        design = place_board(board, timeout_s=timeout_s, progress=update)
    report = read_report(design.report)
    console = output_console(json_target)
    console.print(report_table(board, report))
    check_timing(report)
    if bundle_file is not None:
        bundle = Bundle.load(bundle_file)
    else:
        with busy(f"Compiling {board.model} for {board.hw}"):
            bundle = api.compile(api.load_model(board.model), hw=board.hw)
    with busy(f"Packing {bundle.model} into the bitstream"):
        files = package(board, design, bundle, folder / "board", timeout_s=timeout_s)
    console.print(f"For the board: {files[0].parent}", highlight=False, soft_wrap=True)
    record = {"board": board.name, "hw": board.hw, "model": bundle.model, "built": True, **report.record()}
    write_json({**record, "files": [str(file) for file in files]}, json_target)


def report_table(board: Board, report: PnrReport) -> Table:
    """Utilization and clocks for people."""
    table = Table(title=f"{board.name}: {board.hw}", title_justify="left", show_header=False)
    for name, (used, available) in report.utilization.items():
        table.add_row(name, f"{used:,} of {available:,} ({used / available:.1%})")
    for clock in report.clocks:
        table.add_row(clock.name, f"{clock.reached_mhz:.1f} MHz, must be {clock.wanted_mhz:g}")
    return table
