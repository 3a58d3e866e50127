# SPDX-License-Identifier: Apache-2.0
"""peritus sparsity: what one task needs of a network that knows several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.table import Table

from peritus import api
from peritus.arch.config import load_config
from peritus.cli.common import (
    HwOption,
    JsonOption,
    counted,
    output_console,
    reports_errors,
    write_json,
)
from peritus.evaluation.sparsity import Cost, Sparsity, measure
from peritus.image import ImageError
from peritus.ir import Graph
from peritus.photo import photo_for
from peritus.report import expert_heat_map

Images = Iterable[npt.NDArray[np.uint8]]
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".webp"}


@reports_errors
def sparsity_command(
    model: Annotated[
        str, typer.Argument(help="Name of a shipped model, a .safetensors model or a .onnx export.")
    ],
    images: Annotated[
        list[Path] | None,
        typer.Option("--images", help="Photos, or folders of them, fitted to the model. Repeatable."),
    ] = None,
    scenes: Annotated[int, typer.Option(min=1, help="Without --images: unseen generated scenes.")] = 16,
    hw: HwOption = "zcu104",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Expert use as a heat map (.png, .svg, .pdf).")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: one per core.")] = None,
    json_target: JsonOption = None,
) -> None:
    """Measure multiply-accumulates, weights and bytes of each task on real images.

    Compared with the same program when every expert works on every token, for all tasks.
    """
    loaded = api.load_model(model)
    config = load_config(hw)
    bundle = api.compile(loaded, hw=config)
    count, frames = _images(images, scenes, loaded.graph)
    with counted("Routing images", count) as progress:
        found = measure(loaded, bundle, config, frames, workers=workers, progress=progress)
    console = output_console(json_target)
    console.print(_table(found, f"{loaded.name} on {hw}, {found.images} images"))
    if loaded.origin.warning is not None:
        console.print(f"{loaded.origin.warning} The same holds for the routing.")
    if output is not None:
        expert_heat_map(found.use, found.routers, output)
        console.print(f"expert use: {output}")
    write_json(_record(found, loaded.name, loaded.provenance, hw), json_target)


def _images(paths: list[Path] | None, scenes: int, graph: Graph) -> tuple[int, Images]:
    if not paths:
        return scenes, _scenes(scenes, graph)
    files: list[Path] = []
    for path in paths:
        inside = (
            sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        )
        if not inside:
            raise ImageError(f"folder {path} has no image ({', '.join(sorted(SUFFIXES))})")
        files += inside
    shape = graph.image_height, graph.image_width, graph.image_channels
    return len(files), (photo_for(file, shape) for file in files)


def _scenes(count: int, graph: Graph) -> Iterator[npt.NDArray[np.uint8]]:
    from quant_models.data.open import open_dataset

    data = open_dataset("scenes", "test", graph.image_height, graph.image_width, count=count)
    return (data[index].image for index in range(count))


def _rows(found: Sparsity) -> dict[str, Cost]:
    every = sum(found.tasks.values(), Cost())
    return {
        **{f"task {name}": cost for name, cost in found.tasks.items()},
        "all tasks, one job each": every,
        "A: all experts, one pass": found.one_pass,
        "B: all experts, pass per task": found.separate_passes,
    }


def _table(found: Sparsity, title: str) -> Table:
    once, each = found.one_pass, found.separate_passes
    table = Table(title=title, title_justify="left")
    table.add_column("per image")
    for column in ("M MAC", "vs A", "vs B", "weights kB", "vs A", "vs B", "DDR kB"):
        table.add_column(column, justify="right")
    for name, cost in _rows(found).items():
        table.add_row(
            name,
            f"{cost.macs / 1e6:.1f}",
            *(f"{cost.macs / full.macs - 1:+.0%}" for full in (once, each)),
            f"{cost.weight_bytes / 1e3:.0f}",
            *(f"{cost.weight_bytes / full.weight_bytes - 1:+.0%}" for full in (once, each)),
            f"{cost.ddr_bytes / 1e3:.0f}",
        )
    table.caption = "A, B: every expert on every token, all tasks"
    return table


def _record(found: Sparsity, model: str, provenance: str, hw: str) -> dict[str, Any]:
    return {
        "model": model,
        "provenance": provenance,
        "hw": hw,
        "images": found.images,
        "cost": {name: asdict(cost) for name, cost in _rows(found).items()},
        "bundle_weight_bytes": found.weight_bytes,
        "layers": list(found.routers),
        "expert_use": {task: values.round(6).tolist() for task, values in found.use.items()},
    }
