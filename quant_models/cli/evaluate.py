# SPDX-License-Identifier: Apache-2.0
"""`peritus evaluate`: score float weights or an integer model on a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from peritus import api
from peritus.cli.common import JsonOption, counted, output_console, reports_errors, write_json
from peritus.errors import PeritusError
from peritus.evaluation import evaluate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quant_models.data.dataset import Dataset
    from quant_models.data.open import Labelled


@reports_errors
def evaluate_command(
    model: Annotated[
        str, typer.Argument(help="A shipped model, an integer model, or float weights (.safetensors).")
    ],
    data: Annotated[
        str, typer.Option(help="scenes (generated), cityscapes:FOLDER, nyud:FOLDER or pascal:FOLDER.")
    ] = "scenes",
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    count: Annotated[int, typer.Option(min=1, help="How many images.")] = 512,
    cache: Annotated[Path | None, typer.Option(help="Where generated scenes are kept.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: one per core.")] = 0,
    json_target: JsonOption = None,
) -> None:
    """mIoU, RMSE and relative error. Integer models run in the bit-exact executor: as the accelerator."""
    from quant_models.data.open import classes_of, open_dataset

    def open_images(height: int, width: int, tasks: Iterable[Labelled]) -> Dataset:
        return open_dataset(data, split, height, width, classes_of(tasks), count=count, cache=cache)

    weights = _float_weights(model)
    if weights is not None:
        from quant_models.network.weights import load_weights
        from quant_models.study.teacher import observe
        from quant_models.training.batches import check_data

        net = load_weights(weights)
        config = net.config
        images = open_images(config.image_height, config.image_width, config.tasks)
        check_data(images, config)
        with counted(f"Evaluating {config.name}", len(images)) as progress:
            scores = observe(net, images, progress).scores
        name, arithmetic = config.name, "float"
    else:
        integer = api.load_model(model)
        graph = integer.graph
        images = open_images(graph.image_height, graph.image_width, graph.tasks)
        with counted(f"Evaluating {integer.name}", len(images)) as progress:
            scores = evaluate(
                integer,
                (images[i].image for i in range(len(images))),
                (images[i].targets for i in range(len(images))),
                workers=workers or None,
                progress=progress,
            ).record()
        name, arithmetic = integer.name, "integer"
    table = Table(title=f"{name} ({arithmetic}), {len(images)} images of {images.name}", title_justify="left")
    table.add_column("metric")
    table.add_column("value", justify="right")
    for metric, value in scores.items():
        table.add_row(metric, f"{value:.4f}")
    output_console(json_target).print(table)
    write_json({"model": name, "arithmetic": arithmetic, "images": len(images), **scores}, json_target)


def _float_weights(model: str) -> Path | None:
    """The file, if it holds float weights."""
    from safetensors import SafetensorError, safe_open

    from peritus.ir.model_file import FLOAT_FORMAT

    path = Path(model)
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    try:
        with safe_open(model, framework="numpy") as file:
            is_float = (file.metadata() or {}).get("format") == FLOAT_FORMAT
    except (SafetensorError, OSError) as error:
        raise PeritusError(f"{path} is truncated or no safetensors file: {error}") from error
    return path if is_float else None
