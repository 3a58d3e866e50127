# SPDX-License-Identifier: Apache-2.0
"""`peritus timing`: how fast the RTL may run, before anything is placed."""

from __future__ import annotations

from typing import Annotated

import typer

from peritus.cli.common import JsonOption, busy, output_console, reports_errors, write_json
from peritus.eda.board import board_config
from peritus.eda.timing.estimate import SHOWN, check_budget, estimate_timing, timing_tables


@reports_errors
def timing_command(
    hw: Annotated[
        str, typer.Argument(metavar="HW", help="Configuration: its name, a file MY.toml, or a board.")
    ],
    budget: Annotated[
        float | None, typer.Option(min=0.001, metavar="NS", help="Fail if a path takes longer, in ns.")
    ] = None,
    show: Annotated[int, typer.Option(min=1, help="So many paths and fan-outs.")] = SHOWN,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds until Yosys counts as hung.")] = 6 * 3600,
    json_target: JsonOption = None,
) -> None:
    """Estimate slowest paths and largest fan-outs on an XCZU7EV-2: open synthesis, published delays."""
    with busy(f"Timing of {hw}") as progress:
        result = estimate_timing(
            board_config(hw), budget_ns=budget, shown=show, timeout_s=timeout, progress=progress
        )
    output_console(json_target).print(timing_tables(result))
    write_json(result.record(), json_target)
    check_budget(result)
