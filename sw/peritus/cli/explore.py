# SPDX-License-Identifier: Apache-2.0
"""peritus explore: configurations times models, by the cycle model and an estimate of the area."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from peritus import api
from peritus.arch.config import load_config
from peritus.cli.common import HwOption, JsonOption, counted, output_console, reports_errors, write_json

COLUMNS = (
    ("model", "{}"),
    ("point", "{}"),
    ("cycles", "{:,}"),
    ("milliseconds", "{:.3f}"),
    ("busy", "{:.1%}"),
    ("dsp", "{:,}"),
    ("uram", "{}"),
    ("bram", "{:g}"),
    ("ddr_bytes", "{:,}"),
)


@reports_errors
def explore_command(
    models: Annotated[
        list[str], typer.Argument(help="Names of shipped models, .safetensors models or .onnx exports.")
    ],
    hw: HwOption = "zcu104",
    vary: Annotated[
        list[str] | None, typer.Option(help="FIELD=VALUE,VALUE of the configuration; may be repeated.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Task; default: each model's first.")] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for records and plot; a sweep goes on there.")
    ] = Path("explored"),
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0: one per core.")] = 0,
    cluster: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler; its workers see the same files.")
    ] = None,
    json_target: JsonOption = None,
) -> None:
    """Sweep configurations around one: cycles, DSP, UltraRAM, block RAM and DDR bytes of each."""
    from peritus.executors import workers
    from peritus.explore import Axis, front, points, svg, sweep

    console = output_console(json_target)
    axes = [Axis.parse(text) for text in vary or []]
    output.mkdir(parents=True, exist_ok=True)
    files = {str(path): hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in _files(models, output)}
    wanted = list(points(load_config(hw), axes, files, task))
    with (
        workers(jobs or os.cpu_count() or 1, cluster) as executor,
        counted("Exploring", len(wanted)) as progress,
    ):
        records = sweep(wanted, output, executor, progress)
    best = front(records)
    plot = output / "explored.svg"
    plot.write_text(svg(records, best), encoding="utf-8")
    failed = [record for record in records if "failed" in record]
    title = f"Pareto front, around {hw}: {len(best)} of {len(records) - len(failed)} points"
    console.print(_table(title, best))
    for record in failed:
        console.print(f"failed: {_short(record['model'])}, {record['point']}: {record['failed']}")
    console.print(f"all points: {output / 'points.jsonl'}, plot: {plot}")
    write_json({"front": best, "records": records}, json_target)


def _files(models: Sequence[str], folder: Path) -> list[Path]:
    """The models as files that every worker can read."""
    found = []
    for model in models:
        path = Path(model)
        if path.suffix == ".onnx":
            path = folder / f"{path.stem}.safetensors"
            api.load_model(model).save(path)
        elif path.suffix != ".safetensors":
            path = api.model_path(model)
        found.append(path.resolve())
    return found


def _short(model: str) -> str:
    return Path(model).stem


def _table(title: str, records: Sequence[dict[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left")
    for name, _ in COLUMNS:
        table.add_column(name.replace("_", " "), justify="left" if name in ("model", "point") else "right")
    for record in records:
        row = {**record, "model": _short(record["model"])}
        table.add_row(*(text.format(row[name]) for name, text in COLUMNS))
    return table
