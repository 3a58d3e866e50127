# SPDX-License-Identifier: Apache-2.0
"""peritus rtl: the accelerator's SystemVerilog for somebody else's flow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from peritus.arch.config import config_names, load_config
from peritus.cli.common import output_console, reports_errors
from peritus.eda.export import TOPS, export_rtl
from peritus.eda.sources import TOP


@reports_errors
def rtl_command(
    hw: Annotated[
        str, typer.Argument(help=f"Configuration: {', '.join(config_names())}, or a file MY.toml.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    top: Annotated[str, typer.Option(help=f"Top module: {' or '.join(TOPS)} (with serial link).")] = TOP,
) -> None:
    """Write a self-contained RTL folder with a file list, for Verilator, slang, Yosys, Bender, FuseSoC."""
    config = load_config(hw)
    files = export_rtl(config, output, top=top)
    output_console(None).print(
        f"{len(files)} files of {top} ({config.name}) in {output}; how to use them: {output / 'README.md'}",
        highlight=False,
        soft_wrap=True,
    )
