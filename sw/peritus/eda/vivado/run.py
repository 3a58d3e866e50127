# SPDX-License-Identifier: Apache-2.0
"""Runs Vivado on a written project, or checks the project where there is none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peritus.eda.errors import BuildError, ProjectError, ToolNotFound, VivadoNotFound
from peritus.eda.process import run_step
from peritus.eda.verilator.install import verilator_command, verilator_environment
from peritus.eda.vitis import SCRIPT, record_project
from peritus.eda.vivado.project import Project
from peritus.eda.vivado.twin import Twin
from peritus.resources import resource

if TYPE_CHECKING:
    from vivado_recorder import Recording, Verilator

LOG = "vivado.log"


def find_vivado(path: Path | None = None) -> Path:
    """The program: `path` (it or its installation), else what PATH has; VivadoNotFound if neither."""
    if path is None:
        found = shutil.which("vivado")
        if found is None:
            raise VivadoNotFound("vivado is not on PATH (source its settings64.sh, or give --vivado)")
        return Path(found)
    program = path / "bin" / "vivado" if path.is_dir() else path
    if not os.access(program, os.X_OK):
        raise VivadoNotFound(f"{program} is not a program")
    return program.resolve()


def run_vivado(
    project: Project, program: Path, *, timeout_s: float, on_line: Callable[[str], object] = lambda line: None
) -> None:
    """Synthesis to bitstream in batch mode; the log is FOLDER/vivado.log.

    timeout_s: of each run of Vivado; there may be Project.runs.

    Raises:
        BuildError: Vivado failed, took longer than all its runs may, or left something out; carries the log's
            end.
    """
    log = project.folder / LOG
    log.write_text("")
    command = [str(program), *("-mode", "batch", "-nojournal", "-nolog", "-notrace"), "-source", "build.tcl"]
    what = f"board {project.board.name}: Vivado"
    whole_s = timeout_s * project.runs
    run_step(what, command, cwd=project.folder, log=log, timeout_s=whole_s, on_line=on_line)
    for product in (project.bitstream, project.handoff):
        if not product.is_file():
            raise BuildError(f"board {project.board.name}: Vivado ended without {product}", log)


def check_project(project: Project) -> Recording:
    """Run the project's scripts, the twin's too, through the recorder, in a copy that is thrown away.

    Raises:
        ProjectError: something in the scripts is wrong.
        ToolNotFound: the recorder is not installed, or Python has no Tcl.
    """
    try:
        from vivado_recorder import ScriptError, TclMissing, record
    except ModuleNotFoundError as error:
        if error.name != "vivado_recorder":
            raise
        raise ToolNotFound(
            "the Vivado recorder is missing: it is part of the sources (sw/vivado_recorder), not of the wheel"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "vivado"
        shutil.copytree(project.folder, copy, ignore=shutil.ignore_patterns("project", "package_ip"))
        exported = None if project.twin is None else _export(project.twin, copy)
        try:
            return record(copy / project.script.name, verilator=installed_verilator(), exported=exported)
        except ScriptError as error:
            raise ProjectError(f"board {project.board.name}: {error}") from error
        except TclMissing as error:
            raise ToolNotFound(str(error)) from error


def _export(twin: Twin, copy: Path) -> Mapping[str, Mapping[str, Any]]:
    """Record the twin's Vitis project at its place beside the copy of the Vivado project; the IP it makes."""
    beside = copy.parent / twin.folder.name
    shutil.copytree(twin.folder, beside)
    return record_project(beside / SCRIPT).model.exported


def installed_verilator() -> Verilator | None:
    """What the recorder elaborates HDL with, if it is there."""
    from vivado_recorder import Verilator

    try:
        command, environment = verilator_command(), verilator_environment()
    except ToolNotFound:
        return None
    models = tuple(sorted(resource("sim/models").glob("*.sv")))  # of the cells of the device
    return Verilator(tuple(command), tuple(sorted(environment.items())), models)
