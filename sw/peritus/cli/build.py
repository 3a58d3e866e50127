# SPDX-License-Identifier: Apache-2.0
"""peritus build: from a board's name to the folder that is copied onto it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from peritus import api
from peritus.arch import hls_ip
from peritus.arch.config import load_config
from peritus.boards.twin import twin_for
from peritus.boards.zynq import package
from peritus.cli.build_ecp5 import ecp5_flow
from peritus.cli.common import JsonOption, busy, output_console, progress_console, reports_errors, write_json
from peritus.eda.board import Board, board_names, load_board, vivado_settings
from peritus.eda.errors import ProjectError, VivadoNotFound
from peritus.eda.vivado.project import Project, write_project
from peritus.eda.vivado.reports import BuildReport, check_timing, read_reports
from peritus.eda.vivado.run import check_project, find_vivado, run_vivado
from peritus.eda.yosys.fit import check_fits, estimate_board, estimate_table
from peritus.explore.area import check_part

PROJECT_ONLY = 3  # exit status: the project is written, but there is no Vivado to run


@dataclass(frozen=True)
class Options:
    """What was asked for, whatever the flow."""

    folder: Path
    vivado: Path | None
    check: bool
    bundle: Path | None
    timeout_s: float
    jobs: int
    json_target: str | None
    twin: str | None


@reports_errors
def build_command(
    board: Annotated[str, typer.Argument(help=f"Board: {', '.join(board_names())}.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write; default: build/BOARD.")
    ] = None,
    vivado: Annotated[
        Path | None, typer.Option(help="Vivado's program or folder; default: the one on PATH.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Do not run Vivado: check its scripts against the recorder.")
    ] = False,
    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate", help="Only estimate by open synthesis what it takes; BOARD may be a configuration."
        ),
    ] = False,
    bundle: Annotated[
        Path | None,
        typer.Option(help="Bundle in the bitstream (ECP5 boards); default: the board's model, compiled."),
    ] = None,
    twin: Annotated[
        str | None,
        typer.Option(help="Configuration of the HLS twin to put beside the accelerator (Vivado boards)."),
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds until a tool counts as hung.")] = 6 * 3600,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that Vivado may start.")] = 4,
    json_target: JsonOption = None,
) -> None:
    """Build for a board: write its project, run the tools, collect what the board needs.

    Exit status 3: the project is written, but Vivado was not found.
    """
    if estimate:
        with busy(f"Estimating {board}") as progress:
            result = estimate_board(board, timeout_s=timeout, progress=progress)
        output_console(json_target).print(estimate_table(result))
        write_json(result.record(), json_target)
        check_fits(result)
        return
    description = load_board(board)
    folder = output or Path("build") / board
    options = Options(folder, vivado, check, bundle, timeout, jobs, json_target, twin)
    FLOWS[description.flow](description, options)


def vivado_flow(board: Board, options: Options) -> None:
    """Vivado, for the boards that AMD's tools are needed for."""
    folder = options.folder
    check_part(load_config(board.hw), vivado_settings(board).part)
    twin = options.twin and twin_for(board, load_config(options.twin), folder / f"vitis_{options.twin}")
    project = write_project(
        board, folder / "vivado", timeout_s=options.timeout_s, jobs=options.jobs, twin=twin or None
    )
    console = output_console(options.json_target)
    console.print(f"Project for the {board.title}: {project.folder}", highlight=False, soft_wrap=True)
    record: dict[str, Any] = {"board": board.name, "hw": board.hw, "project": str(project.folder)}
    if options.check:
        recording = check_project(project)
        calls, elaborated = len(recording.calls), recording.model.elaborated
        console.print(
            f"{calls} Vivado commands recorded, the block design is whole. "
            + (
                "Verilator elaborates the HDL. "
                if elaborated
                else "The HDL is not elaborated: no Verilator. "
            )
            + "Vivado was not run.",
            soft_wrap=True,
        )
        checked = {"checked": True, "commands": calls, "elaborated": elaborated, "built": False}
        write_json(record | checked, options.json_target)
        return
    try:
        program = find_vivado(options.vivado)
        if project.twin is not None and not (project.twin.folder / hls_ip.EXPORTED).is_dir():
            raise VivadoNotFound("the HLS twin's IP is not exported yet")
    except VivadoNotFound as error:
        write_json({**record, "built": False}, options.json_target)
        first = f"cd {project.twin.folder.resolve()} && vitis_hls -f build.tcl && " if project.twin else ""
        progress_console.print(
            f"The project is written, but not built: {error}.\n"
            f"Where Vivado is: {first}cd {project.folder.resolve()} && "
            f"vivado -mode batch -source {project.script.name}",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )
        raise typer.Exit(PROJECT_ONLY) from error
    report, files = _run(project, program, options)
    console.print(report_table(board, report))
    console.print(f"For the board: {files[0].parent}", highlight=False, soft_wrap=True)
    write_json(
        {**record, "built": True, **report.record(), "files": [str(file) for file in files]},
        options.json_target,
    )


def open_flow(board: Board, options: Options) -> None:
    """Yosys, nextpnr and ecppack, for the boards that they know."""
    if options.twin is not None:
        raise ProjectError(
            f"board {board.name}: the HLS twin needs a board that Vivado builds, such as zcu104"
        )
    ecp5_flow(
        board,
        options.folder,
        options.bundle,
        timeout_s=options.timeout_s,
        json_target=options.json_target,
    )


def _run(project: Project, program: Path, options: Options) -> tuple[BuildReport, list[Path]]:
    """Bitstream, its reports, and the board's folder; only what meets its timing gets there."""
    with busy(f"Compiling {project.board.model} for {project.hw.name}"):
        bundle = api.compile(api.load_model(project.board.model), hw=project.hw)
    with busy(f"Vivado builds {project.board.name}; log {project.folder / 'vivado.log'}"):
        run_vivado(project, program, timeout_s=options.timeout_s)
    report = read_reports(project)
    check_timing(report.timing, project.clocks)
    return report, package(project, report, bundle, options.folder / "board")


def report_table(board: Board, report: BuildReport) -> Table:
    """Utilization, slack and power for people."""
    table = Table(title=f"{board.name}: {board.hw}", title_justify="left", show_header=False)
    table.add_row("clock", f"{max(report.timing.clocks_mhz.values()):g} MHz")
    for site, sites in report.utilization.items():
        share = sites.used / sites.available if sites.available else 0
        table.add_row(site, f"{sites.used:g} of {sites.available:g} ({share:.1%})")
    table.add_row("worst setup slack", f"{report.timing.wns_ns} ns")
    table.add_row("worst hold slack", f"{report.timing.whs_ns} ns")
    table.add_row(
        "power", f"{report.power.total_w} W (Vivado's estimate, confidence {report.power.confidence})"
    )
    return table


# How a board's `flow` is carried out.
FLOWS: dict[str, Callable[[Board, Options], None]] = {"vivado": vivado_flow, "ecp5": open_flow}
