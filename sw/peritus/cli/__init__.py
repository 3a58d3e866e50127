# SPDX-License-Identifier: Apache-2.0
"""Command line: `peritus --help` lists the commands."""

import typer

from peritus.cli.build import build_command
from peritus.cli.compile import compile_command
from peritus.cli.demo import demo_command
from peritus.cli.doctor import doctor_command
from peritus.cli.evaluate import evaluate_command
from peritus.cli.import_ import import_command
from peritus.cli.info import info_command
from peritus.cli.rtl import rtl_command
from peritus.cli.run import run_command
from peritus.cli.sparsity import sparsity_command
from peritus.cli.study import study_command
from peritus.cli.train import train_command

app = typer.Typer(
    name="peritus",
    help="Mixture-of-Experts vision transformers on FPGAs.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo_command)
app.command("compile")(compile_command)
app.command("run")(run_command)
app.command("import")(import_command)
app.command("train")(train_command)
app.command("evaluate")(evaluate_command)
app.command("study")(study_command)
app.command("info")(info_command)
app.command("build")(build_command)
app.command("rtl")(rtl_command)
app.command("sparsity")(sparsity_command)
app.command("doctor")(doctor_command)

__all__ = ["app"]
