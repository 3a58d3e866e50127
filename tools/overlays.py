# SPDX-License-Identifier: Apache-2.0
"""The README's picture: unseen scenes, their labels, and what the integer model makes of them.

python tools/overlays.py --output docs/images/unseen_scenes.png
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from peritus.api import load_model
from peritus.ir import QuantModel, execute, real_map
from peritus.report.pictures import overlay_classes
from peritus.runtime.device import resize_bilinear
from quant_models.data.open import classes_of
from quant_models.data.scenes import MAX_DEPTH, SPLITS, generate

COLUMNS = ("image", "labels", "integer model", "depth", "integer model")
Picture = npt.NDArray[np.uint8]


def predict(model: QuantModel, image: Picture, task: str) -> npt.NDArray[np.float32]:
    """The task's map at the image's size, in real units: float32 [height, width, channels]."""
    tail = model.tail.open() if model.tail else None
    found = real_map(model.graph, task, execute(model.graph, image, task), tail)
    return resize_bilinear(found, *image.shape[:2])


def main(
    output: Annotated[Path, typer.Option(help="Picture to write.")],
    model: Annotated[str, typer.Option(help="A shipped model or a model file.")] = "m3vit_tiny",
    scenes: Annotated[str, typer.Option(help="Which scenes of the test split.")] = "0,3,4,18",
) -> None:
    """Draw test scenes beside what the model says of them."""
    from matplotlib.figure import Figure

    integer = load_model(model)
    chosen = [int(index) for index in scenes.split(",")]
    figure = Figure(figsize=(2.6 * len(COLUMNS), 1.42 * len(chosen) + 0.3), layout="constrained")
    axes = figure.subplots(len(chosen), len(COLUMNS), squeeze=False)
    classes = classes_of(integer.graph.tasks)
    for row, index in zip(axes, chosen, strict=True):
        sample = generate(SPLITS["test"] + index)
        labels = sample.targets["semseg"].astype(np.int64)
        found = predict(integer, sample.image, "semseg").argmax(axis=2)
        depths = sample.targets["depth"], predict(integer, sample.image, "depth")[:, :, 0]
        row[0].imshow(sample.image)
        row[1].imshow(overlay_classes(labels, classes, sample.image))
        row[2].imshow(overlay_classes(found, classes, sample.image))
        for panel, depth in zip(row[3:], depths, strict=True):
            panel.imshow(
                np.log(np.clip(depth, 2, MAX_DEPTH)), cmap="viridis_r", vmin=np.log(2), vmax=np.log(80)
            )
    for panel, title in zip(axes[0], COLUMNS, strict=True):
        panel.set_title(title, fontsize=10)
    for panel in axes.flat:
        panel.set_axis_off()
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=90)


if __name__ == "__main__":
    typer.run(main)
