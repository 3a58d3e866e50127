# SPDX-License-Identifier: Apache-2.0
"""peritus check: one line in a user's own tests."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from peritus.cli.common import HwOption, JsonOption, busy, output_console, reports_errors, write_json


@reports_errors
def check_command(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A quantized model, a QONNX file, or a name.")
    ],
    hw: HwOption,
    images: Annotated[
        list[Path] | None, typer.Option("--image", help="A photo; may be given often. Default: noise.")
    ] = None,
    device: Annotated[str, typer.Option(help="What runs it; rtl counts cycles.")] = "rtl",
    max_cycles: Annotated[int | None, typer.Option(min=1, help="Most cycles of a frame.")] = None,
    min_snr: Annotated[
        float | None, typer.Option(help="Least SNR of the maps against --float's, in dB.")
    ] = None,
    float_weights: Annotated[
        Path | None,
        typer.Option("--float", metavar="WEIGHTS", help="The float network (.safetensors, .onnx)."),
    ] = None,
    pixels: Annotated[
        str | None,
        typer.Option(metavar="SCALE", help="What a float .onnx reads: k256, k255, half or imagenet."),
    ] = None,
    json_target: JsonOption = None,
) -> None:
    """Does a network still fit, and run bit for bit, fast and faithful enough? Exit status 1 if not."""
    from peritus.check import check

    with busy(f"Checking {model} on {device}"):
        reports = check(
            model,
            hw=hw,
            images=images or [],
            device=device,
            max_cycles=max_cycles,
            min_snr=min_snr,
            float_weights=float_weights,
            pixels=pixels,
        )
    table = Table(title=f"{model} on {device} ({hw})", title_justify="left")
    for column in ("task", "cycles", "ms", "SNR", "exact"):
        table.add_column(column, justify="left" if column == "task" else "right")
    for report in reports:
        table.add_row(
            report.task,
            f"{report.cycles:,}" if report.cycles else "-",
            f"{report.milliseconds:.2f}" if report.cycles else "-",
            "-" if report.snr_db is None else f"{report.snr_db:.1f} dB",
            "yes",
        )
    output_console(json_target).print(table)
    write_json([asdict(report) for report in reports], json_target)
