# SPDX-License-Identifier: Apache-2.0
"""The README's picture: photographs with the maps of DINOv2-Small, unseen scenes with their labels, and what
the integer models make of them.

    make real                                                 writes build/real/maps.png
    python tools/overlays.py --output docs/images/maps.png
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from PIL import Image

from peritus.api import load_model
from peritus.ir import QuantModel, execute, real_map
from peritus.photo import read_photo
from peritus.report.pictures import overlay_classes
from peritus.runtime.device import resize_bilinear
from quant_models.data.open import classes_of
from quant_models.data.scenes import MAX_DEPTH, SPLITS, generate

PHOTO_COLUMNS = ("photograph", "DINOv2-Small, float", "accelerator, int8")
PHOTOGRAPHS = 2
COLUMNS = ("generated scene", "labels", "accelerator, int8", "depth", "accelerator, int8")
STEP = 4  # of the levels that are kept of 256: nobody sees it, and the file is 40 % smaller
Picture = npt.NDArray[np.uint8]


def predict(model: QuantModel, image: Picture, task: str) -> npt.NDArray[np.float32]:
    """The task's map at the image's size, in real units: float32 [height, width, channels]."""
    tail = model.tail.open() if model.tail else None
    found = real_map(model.graph, task, execute(model.graph, image, task), tail)
    return resize_bilinear(found, *image.shape[:2])


def main(
    output: Annotated[Path, typer.Option(help="Picture to write.")],
    photographs: Annotated[
        Path, typer.Option(help="Photographs and their maps, rows of three squares: of make real.")
    ] = Path("build/real/maps.png"),
    model: Annotated[str, typer.Option(help="A shipped model or a model file.")] = "m3vit_tiny",
    scenes: Annotated[str, typer.Option(help="Which scenes of the test split.")] = "0,3,4",
) -> None:
    """Draw photographs beside the maps of DINOv2-Small, test scenes beside what the model says of them."""
    from matplotlib.figure import Figure

    above, below = _photographs(photographs), [int(index) for index in scenes.split(",")]
    heights = 13 / len(above), 1.42 * len(below) + 0.2
    figure = Figure(figsize=(13, sum(heights)), layout="constrained")
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    axes = top.subplots(1, len(above), squeeze=False)
    for panel, title, image in zip(axes[0], PHOTO_COLUMNS * len(above), above, strict=False):
        panel.set_title(title, fontsize=10)
        panel.imshow(image)
    rows = bottom.subplots(len(below), len(COLUMNS), squeeze=False)
    for panel, title in zip(rows[0], COLUMNS, strict=True):
        panel.set_title(title, fontsize=10)
    integer = load_model(model)
    for row, index in zip(rows, below, strict=True):
        _scene(integer, index, row)
    for panel in (*axes.flat, *rows.flat):
        panel.set_axis_off()
    output.parent.mkdir(parents=True, exist_ok=True)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=90)
    rounded = (np.array(Image.open(drawn).convert("RGB")) + STEP / 2) // STEP * STEP
    Image.fromarray(rounded.clip(0, 255).astype(np.uint8)).save(output, optimize=True)
    print(f"{output}: {output.stat().st_size / 1e3:.0f} kB")


def _photographs(path: Path) -> list[Picture]:
    """The squares of the first PHOTOGRAPHS rows, one behind the other."""
    picture = read_photo(path)
    side = picture.shape[1] // len(PHOTO_COLUMNS)
    rows = range(min(PHOTOGRAPHS, picture.shape[0] // side))
    return [
        picture[row * side : (row + 1) * side, column * side : (column + 1) * side]
        for row in rows
        for column in range(len(PHOTO_COLUMNS))
    ]


def _scene(model: QuantModel, index: int, row: Any) -> None:
    """A scene of the test split, its labels and depth, and the model's."""
    sample = generate(SPLITS["test"] + index)
    classes = classes_of(model.graph.tasks)
    labels = sample.targets["semseg"].astype(np.int64)
    found = predict(model, sample.image, "semseg").argmax(axis=2)
    depths = sample.targets["depth"], predict(model, sample.image, "depth")[:, :, 0]
    row[0].imshow(sample.image)
    row[1].imshow(overlay_classes(labels, classes, sample.image))
    row[2].imshow(overlay_classes(found, classes, sample.image))
    for panel, depth in zip(row[3:], depths, strict=True):
        panel.imshow(np.log(np.clip(depth, 2, MAX_DEPTH)), cmap="viridis_r", vmin=np.log(2), vmax=np.log(80))


if __name__ == "__main__":
    typer.run(main)
