# SPDX-License-Identifier: Apache-2.0
"""`peritus study`: what quantization costs, in one table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from peritus.cli.common import HwOption, JsonOption, counting, output_console, reports_errors, write_json
from quant_models.cli.extras import needs_models

if TYPE_CHECKING:
    from quant_models.study.run import Row

TABLE_WIDTH = 160
CacheOption = Annotated[Path | None, typer.Option(help="Where generated scenes are kept.")]


@reports_errors
@needs_models
def study_command(
    model: Annotated[str, typer.Argument(help="m3vit_tiny or m3vit_micro.")] = "m3vit_tiny",
    count: Annotated[int, typer.Option(min=1, help="Unseen scenes that every row is scored on.")] = 512,
    calibration: Annotated[int, typer.Option(min=1, help="Training scenes that set the ranges.")] = 128,
    weights: Annotated[
        Path | None, typer.Option(help="Folder of the trained weights; default: the shipped ones.")
    ] = None,
    cache: CacheOption = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: one per core.")] = 0,
    device: Annotated[
        str | None,
        typer.Option(
            help="Run integer models on a device, such as hls, which is faster but says nothing of "
            "features and experts; default: the executor."
        ),
    ] = None,
    hw: HwOption = "zcu104",
    json_target: JsonOption = None,
) -> None:
    """Compare float, post-training and trained quantization on generated scenes that no network has seen."""
    from quant_models.study.shipped import shipped_study

    study = shipped_study(model, count, calibration, weights, cache, workers or None)
    study = replace(study, device=device, hw=hw)
    rows = []
    with counting(f"Study of {model}") as show:
        for row in study.rows(show):
            rows.append(row)
    console = output_console(json_target)
    console.width = max(console.width, TABLE_WIDTH)  # columns cut short would say nothing
    console.print(_table(model, count, rows))
    write_json({"model": model, "scenes": count, "rows": [row.record() for row in rows]}, json_target)


def _table(model: str, count: int, rows: list[Row]) -> object:
    from rich import box
    from rich.table import Table

    table = Table(title=f"{model}, {count} unseen scenes", box=box.MARKDOWN, title_justify="left")
    table.add_column("network", no_wrap=True)
    for heading in (
        "weights MB",
        "mIoU %",
        "Δ points",
        "depth RMSE m",
        "Δ %",
        "feature SNR dB",
        "same experts %",
        "s",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    base = next(row for row in rows if row.name == "float")
    for row in rows:
        cells = [f"{row.megabytes:.1f}", f"{100 * row.miou:.2f}", "", f"{row.rmse:.3f}", "", "", ""]
        if row.integer:
            cells[2] = f"{100 * (row.miou - base.miou):+.2f}"
            cells[4] = f"{100 * (row.rmse / base.rmse - 1):+.2f}"
        if row.snr_db is not None and row.agreement is not None:
            cells[5:] = [f"{row.snr_db:.1f}", f"{100 * row.agreement:.2f}"]
        table.add_row(row.name, *cells, f"{row.seconds:.0f}")
    return table
