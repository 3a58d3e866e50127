# SPDX-License-Identifier: Apache-2.0
"""peritus quantize: float weights and pictures to an integer model."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from peritus.cli.common import JsonOption, busy, counted, output_console, reports_errors, write_json
from peritus.errors import PeritusError
from peritus.provenance import Provenance
from quant_models.cli.extras import needs_models
from quant_models.data.open import SPECS_HELP

if TYPE_CHECKING:
    from rich.console import Console

    from quant_models.network.config import M3ViTConfig
    from quant_models.network.model import M3ViT
    from quant_models.quantization.fidelity import Layer
    from quant_models.quantization.sensitivity import Cost


class FitError(PeritusError):
    """A network is too large for the hardware it was asked to fit; names every limit."""


@reports_errors
@needs_models
def quantize_command(
    weights: Annotated[
        Path,
        typer.Argument(help="Float weights, of peritus train or peritus import, or a float network (.onnx)."),
    ],
    images: Annotated[
        str,
        typer.Option(help=f"What to calibrate on: a folder of pictures, or {SPECS_HELP}"),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Integer model to write (.safetensors).")],
    count: Annotated[int, typer.Option(min=1, help="How many images at most.")] = 64,
    gptq: Annotated[
        bool, typer.Option("--gptq", help="Round weights so that their errors compensate.")
    ] = False,
    expert_bits: Annotated[int, typer.Option(help="Bits of the experts' weights: 8 or 4.")] = 8,
    compared: Annotated[int, typer.Option(min=1, help="Images that the report compares on.")] = 4,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Say what each kind of tensor costs; takes minutes.")
    ] = False,
    fits: Annotated[
        str | None, typer.Option(metavar="HW", help="Hardware that it must fit: asked before quantizing.")
    ] = None,
    pixels: Annotated[
        str | None,
        typer.Option(
            metavar="SCALE", help="What a .onnx network reads: k256, k255, half or imagenet; needed there."
        ),
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Where generated scenes are kept.")] = None,
    json_target: JsonOption = None,
) -> None:
    """Quantize a network after training, and say how close the integers are to it."""
    from quant_models.network.weights import load_weights
    from quant_models.quantization.fidelity import calibration_warnings, compare
    from quant_models.quantization.fold import fake_quantize
    from quant_models.quantization.quantize import integer_model, to_float
    from quant_models.quantization.recipe import Recipe
    from quant_models.quantization.sensitivity import costs, quantizers

    console = output_console(json_target)
    net = _read_onnx(weights, pixels, console) if weights.suffix == ".onnx" else load_weights(weights)
    recipe = Recipe(gptq=gptq, expert_bits=expert_bits)
    if fits is not None:
        _check_fit(net.config, fits)
        console.print(f"{net.config.name} fits {fits}.")
    seen = to_float(_pictures(images, count, net.config, cache, console), net.config)
    warnings = calibration_warnings(seen)
    for warning in warnings:
        console.print(f"warning: {warning}")
    with busy(f"Quantizing {net.config.name} on {len(seen)} images"):
        origin = Provenance.parse(net.provenance or weights.name)
        name = Path(images).name if ":" not in images else images.partition(":")[0]
        step = f"quantized on {len(seen)} images of {name}{', GPTQ' if gptq else ''}"
        fake, _ = fake_quantize(net, seen, recipe)
        model = integer_model(fake, str(origin.then(step)), net.tail)
    shown = seen[: min(compared, len(seen))]
    with counted("Comparing with the float network", len(shown) * len(net.config.tasks)) as progress:
        layers, maps = compare(net, model, shown, progress)
    origin = model.origin.measured([layer.snr_db for layer in layers])
    model = replace(model, provenance=str(origin))
    output.parent.mkdir(parents=True, exist_ok=True)
    model.save(output)
    console.print(_table(layers, maps, f"{output.name}: {len(shown)} images, integers against float"))
    record: dict[str, Any] = {
        "model": str(output),
        "provenance": model.provenance,
        "warnings": warnings,
        "layers": [asdict(layer) for layer in layers],
        "maps_db": maps,
    }
    if sensitivity:
        with counted("Asking each tensor", len(quantizers(fake))) as progress:
            together, parts = costs(net, fake, shown, progress)
        console.print(_costs_table(together, parts))
        record |= {"tensors": [asdict(cost) for cost in parts], "tensors_together_db": together}
    if model.origin.warning is not None:
        console.print(model.origin.warning)
    write_json(record, json_target)


def _read_onnx(path: Path, pixels: str | None, console: Console) -> M3ViT:
    """A float ONNX file as a network, with what was found in it printed."""
    from quant_models.checkpoints.variant import Hints, parse_pixels
    from quant_models.float_onnx import read_float_onnx

    with busy(f"Reading {path}"):
        imported = read_float_onnx(path, Hints(pixels=None if pixels is None else parse_pixels(pixels)))
    for note in imported.notes:
        console.print(note)
    return imported.net


def _pictures(spec: str, count: int, config: M3ViTConfig, cache: Path | None, console: Console) -> Any:
    """uint8 (N, H, W, 3)."""
    import numpy as np

    from quant_models.data.open import open_calibration
    from quant_models.data.photos import list_photos, read_photos

    if spec != "scenes" and ":" not in spec:
        files = list_photos(Path(spec).expanduser(), count)
        if len(files) < count:
            console.print(f"{len(files)} pictures, and {count - len(files)} random crops of them")
        return read_photos(files, count, (config.image_height, config.image_width), config.in_channels)
    data = open_calibration(spec, config.image_height, config.image_width, count, cache)
    return np.stack([data[index].image for index in range(len(data))])


def _check_fit(config: M3ViTConfig, hw: str) -> None:
    """FitError if a network of these dimensions does not fit; its weights do not matter."""
    from peritus.arch import load_config
    from peritus.compiler.fit import shortages
    from quant_models.network.init import new_model, procedural_images
    from quant_models.quantization.quantize import quantize
    from quant_models.quantization.recipe import Recipe

    with busy(f"Asking whether {config.name} fits {hw}"):
        sketch = quantize(new_model(config), procedural_images(config, 1), recipe=Recipe(scales="tensor"))
        found = shortages(sketch.graph, load_config(hw))
    if found:
        raise FitError(f"{config.name} does not fit {hw}:\n" + "\n".join(f"  {line}" for line in found))


def _table(layers: list[Layer], maps: dict[str, float], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in (
        "after block",
        "SNR",
        "tokens with the same experts",
        "same choices",
        "most clipped",
        "dead channels",
    ):
        table.add_column(heading, justify="right")
    for layer in layers:
        routing, choices = ("" if x is None else f"{x:.1%}" for x in (layer.routing, layer.choices))
        clipped, dead = f"{layer.clipped:.2%}", str(layer.dead)
        table.add_row(str(layer.block), f"{layer.snr_db:.1f} dB", routing, choices, clipped, dead)
    for task, snr in maps.items():
        table.add_row(f"map {task}", f"{snr:.1f} dB", "", "", "", "")
    return table


def _costs_table(together: float, parts: list[Cost]) -> Table:
    title = f"residual stream after the last block, {together:.1f} dB with everything rounded"
    table = Table(title=title, title_justify="left")
    for heading in ("tensor", "alone float", "alone rounded"):
        table.add_column(heading, justify="left" if heading == "tensor" else "right")
    for cost in parts:
        table.add_row(cost.tensor, f"{cost.float_db:.1f} dB", f"{cost.rounded_db:.1f} dB")
    return table
