# SPDX-License-Identifier: Apache-2.0
"""`peritus evaluate`: score float weights or an integer model on a data set."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from peritus import api
from peritus.cli.common import HwOption, JsonOption, counted, output_console, reports_errors, write_json
from peritus.errors import PeritusError
from peritus.evaluation import OnDevice, evaluate
from peritus.ir import QuantModel
from quant_models.cli.options import DataOption

if TYPE_CHECKING:
    from quant_models.data.dataset import Dataset


@reports_errors
def evaluate_command(
    model: Annotated[
        str, typer.Argument(help="A shipped model, an integer model, or float weights (.safetensors).")
    ],
    data: DataOption = "scenes",
    split: Annotated[
        str | None, typer.Option(help="train, val, test or all; default: test, or the only one.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="How many images; default: all there are, 512 of scenes.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Where generated scenes are kept.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: one per core.")] = 0,
    device: Annotated[
        str | None, typer.Option(help="Run integer models on a device, such as hls; default: the executor.")
    ] = None,
    hw: HwOption = "zcu104",
    json_target: JsonOption = None,
) -> None:
    """mIoU, RMSE and relative error, top-1 and top-5. Integer models run in the bit-exact executor: as the
    accelerator."""
    from quant_models.data.open import open_for

    weights = _float_weights(model)
    if weights is not None:
        from quant_models.network.weights import load_weights
        from quant_models.training.batches import check_data
        from quant_models.training.scores import score

        net = load_weights(weights)
        config = net.config
        size = config.image_height, config.image_width
        images = open_for(config.tasks, data, split, *size, count=count, cache=cache)
        check_data(images, config)
        with counted(f"Evaluating {config.name}", len(images)) as progress:
            scores = score(net.all_tasks, config, images, progress=progress)
        name, arithmetic = config.name, "float"
    else:
        integer = api.load_model(model)
        graph = integer.graph
        images = open_for(
            graph.tasks, data, split, graph.image_height, graph.image_width, count=count, cache=cache
        )
        with counted(f"Evaluating {integer.name}", len(images)) as progress:
            scores = integer_scores(integer, images, workers, progress, _on(integer, device, hw))
        name, arithmetic = integer.name, "integer"
    table = Table(title=f"{name} ({arithmetic}), {len(images)} images of {images.name}", title_justify="left")
    table.add_column("metric")
    table.add_column("value", justify="right")
    for metric, value in scores.items():
        table.add_row(metric, f"{value:.4f}")
    output_console(json_target).print(table)
    write_json({"model": name, "arithmetic": arithmetic, "images": len(images), **scores}, json_target)


def integer_scores(
    model: QuantModel,
    data: Dataset,
    workers: int,
    progress: Callable[[int], None],
    on: OnDevice | None = None,
) -> dict[str, float]:
    """Scores of the bit-exact executor, or on a device; `workers`: processes, 0: one per core."""
    from quant_models.data.fit import check_fit

    graph = model.graph
    size = graph.image_height, graph.image_width, graph.image_channels
    check_fit(data, model.name, graph.tasks, size)
    images, targets = itertools.tee(data[index] for index in range(len(data)))
    return evaluate(
        model,
        (sample.image for sample in images),
        (sample.targets for sample in targets),
        workers=workers or None,
        progress=progress,
        on=on,
    ).record()


def _on(model: QuantModel, device: str | None, hw: str) -> OnDevice | None:
    return None if device is None else OnDevice(device, api.compile(model, hw=hw))


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
