# SPDX-License-Identifier: Apache-2.0
"""Command line: `peritus --help` lists the commands.

Other distributions add some by the entry point group COMMANDS: name of the command -> its function.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

import typer

from peritus.cli.bench import bench_command
from peritus.cli.build import build_command
from peritus.cli.check import check_command
from peritus.cli.common import reports_errors
from peritus.cli.compile import compile_command
from peritus.cli.cycles import cycles_command
from peritus.cli.demo import demo_command
from peritus.cli.doctor import doctor_command
from peritus.cli.explore import explore_command
from peritus.cli.fuzz import fuzz_command
from peritus.cli.info import info_command
from peritus.cli.report import report_command
from peritus.cli.rtl import rtl_command
from peritus.cli.run import run_command
from peritus.cli.selftest import selftest_command
from peritus.cli.serve import serve_command
from peritus.cli.timing import timing_command
from peritus.errors import PeritusError

COMMANDS = "peritus.commands"


class CommandError(PeritusError):
    """A command that another distribution brings cannot be loaded; says which, and why."""


def make_app() -> typer.Typer:
    """All commands, own ones first."""
    made = typer.Typer(
        name="peritus",
        help="Mixture-of-Experts vision transformers on FPGAs.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    own: dict[str, Callable[..., None]] = {
        "demo": demo_command,
        "compile": compile_command,
        "run": run_command,
        "check": check_command,
        "info": info_command,
        "cycles": cycles_command,
        "report": report_command,
        "serve": serve_command,
        "explore": explore_command,
        "bench": bench_command,
        "build": build_command,
        "timing": timing_command,
        "selftest": selftest_command,
        "rtl": rtl_command,
        "fuzz": fuzz_command,
        "doctor": doctor_command,
    }
    for name, command in own.items():
        made.command(name)(command)
    for entry in entry_points(group=COMMANDS):
        if entry.name not in own:
            made.command(entry.name)(_load(entry))
    return made


def _load(entry: EntryPoint) -> Callable[..., None]:
    try:
        command: Callable[..., None] = entry.load()
    except Exception as error:  # whatever it is, it must not take the other commands along
        reason = f"{type(error).__name__}: {error}"

        @reports_errors
        def unavailable() -> None:
            raise CommandError(f"command {entry.name!r} ({entry.value}) cannot be loaded: {reason}")

        unavailable.__doc__ = f"Cannot be loaded: {reason}"
        return unavailable
    return command


app = make_app()

__all__ = ["app", "make_app"]
