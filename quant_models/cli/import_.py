# SPDX-License-Identifier: Apache-2.0
"""peritus import: a published checkpoint to float weights under our names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from rich.table import Table

from peritus.cli.common import JsonOption, busy, output_console, reports_errors, write_json
from peritus.errors import PeritusError
from peritus.tasks import TaskKind
from quant_models.cli.extras import needs_models

if TYPE_CHECKING:
    from quant_models.checkpoints import Imported
    from quant_models.network.config import TaskConfig


class OptionError(PeritusError):
    """An option that cannot be read; names it and what was expected."""


@reports_errors
@needs_models
def import_command(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            help="State dict (.pth, .safetensors, folder), Edge-MoE's folder, or a float network (.onnx)."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Float weights to write (.safetensors).")],
    config: Annotated[
        str, typer.Option(help="Name of the expected network, or auto: from the shapes.")
    ] = "auto",
    layers: Annotated[int | None, typer.Option(min=1, help="Import only the first layers.")] = None,
    fill_missing_experts: Annotated[
        bool,
        typer.Option("--fill-missing-experts", help="Make missing experts from the dense layer beside them."),
    ] = False,
    resize_positions: Annotated[
        bool,
        typer.Option("--resize-positions", help="Interpolate position embeddings of another image size."),
    ] = False,
    image: Annotated[str | None, typer.Option(metavar="HxW", help="auto: image size in pixels.")] = None,
    heads: Annotated[int | None, typer.Option(min=1, help="auto: attention heads.")] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="auto: experts per token.")] = None,
    tasks: Annotated[
        str | None,
        typer.Option(
            metavar="NAME:KIND:CHANNELS,...", help="auto: tasks, e.g. semseg:segmentation:19,depth:depth:1"
        ),
    ] = None,
    pixels: Annotated[
        str | None,
        typer.Option(
            metavar="SCALE", help="What it was trained on: k256, k255, half or imagenet; auto: needed."
        ),
    ] = None,
    options: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Options of the public training script that change the routers; plain: none of them.",
        ),
    ] = None,
    yaml: Annotated[
        Path | None,
        typer.Option(help="auto: configuration of the public code, for heads, top-k, image, pixels."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of new heads and filled experts.")] = 0,
    json_target: JsonOption = None,
) -> None:
    """Import a published network: M3ViT, timm, DeiT, DINOv2, Hugging Face names, or any ViT as float ONNX."""
    from quant_models.checkpoints import Hints, load_checkpoint
    from quant_models.checkpoints.variant import parse_pixels, read_yaml
    from quant_models.float_onnx import read_float_onnx
    from quant_models.network.config import ConfigError, named_config
    from quant_models.network.weights import save_weights

    hints = Hints(
        layers=layers,
        image=None if image is None else _parse_size(image),
        heads=heads,
        top_k=top_k,
        tasks=() if tasks is None else _parse_tasks(tasks),
        pixels=None if pixels is None else parse_pixels(pixels),
        options=None if options is None else tuple(options.split(",")),
    )
    if yaml is not None:
        hints = read_yaml(yaml, hints)
    try:
        expected = None if config == "auto" else named_config(config)
        with busy(f"Importing {checkpoint}"):
            if checkpoint.suffix == ".onnx":
                if expected is not None or fill_missing_experts or resize_positions:
                    raise OptionError(
                        f"{checkpoint.name} is a whole network: leave out --config, --fill-missing-experts "
                        "and "
                        "--resize-positions"
                    )
                imported = read_float_onnx(checkpoint, hints)
            else:
                imported = load_checkpoint(
                    checkpoint,
                    expected,
                    hints,
                    fill_missing_experts=fill_missing_experts,
                    resize_positions=resize_positions,
                    seed=seed,
                )
    except ConfigError as error:
        raise OptionError(str(error)) from error
    output.parent.mkdir(parents=True, exist_ok=True)
    save_weights(imported.net, output)
    output_console(json_target).print(_table(imported, output))
    write_json(_record(imported, output), json_target)


def _parse_size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise OptionError(f"--image {text!r}, expected HEIGHTxWIDTH such as 128x256")
    return int(match[1]), int(match[2])


def _parse_tasks(text: str) -> tuple[TaskConfig, ...]:
    from quant_models.network.config import ConfigError, TaskConfig

    kinds: dict[str, TaskKind] = {kind: kind for kind in get_args(TaskKind)}
    found = []
    for item in text.split(","):
        match = re.fullmatch(rf"(\w+):({'|'.join(kinds)}):(\d+)", item)
        if match is None:
            raise OptionError(f"--tasks {item!r}, expected NAME:KIND:CHANNELS, KIND {', '.join(kinds)}")
        try:
            found.append(TaskConfig(match[1], kinds[match[2]], int(match[3])))
        except ConfigError as error:
            raise OptionError(f"--tasks {item!r}: {error}") from error
    return tuple(found)


def _table(imported: Imported, path: Path) -> Table:
    from quant_models.checkpoints.errors import grouped

    config = imported.net.config
    table = Table(title=f"{path.name}: {config.name}", show_header=False, title_justify="left")
    table.add_row("image", f"{config.image_height} x {config.image_width}")
    table.add_row("layers", f"{config.n_layers}, d = {config.d_model}, {config.n_heads} heads")
    if any(map(config.is_moe, range(config.n_layers))):
        gate = config.gate.replace("_", " ")
        table.add_row("experts", f"{config.n_experts}, {config.top_k} per token, {gate}")
    table.add_row("tasks", ", ".join(f"{task.name} ({task.channels})" for task in config.tasks))
    parts = {
        "read": imported.read,
        "filled from dense layers": imported.filled,
        "missing, newly initialized": imported.missing,
        "unexpected, not imported": imported.unexpected,
    }
    for title, names in parts.items():
        lines = "" if title == "read" or not names else "\n" + "\n".join(grouped(names))
        table.add_row(title, f"{len(names)} tensors{lines}")
    for note in imported.notes:
        table.add_row("note", note)
    return table


def _record(imported: Imported, path: Path) -> dict[str, Any]:
    return {
        "weights": str(path),
        "model": imported.net.config.name,
        "layers": imported.net.config.n_layers,
        "read": list(imported.read),
        "filled": list(imported.filled),
        "missing": list(imported.missing),
        "unexpected": list(imported.unexpected),
        "notes": list(imported.notes),
    }
