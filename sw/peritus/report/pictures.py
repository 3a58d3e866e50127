# SPDX-License-Identifier: Apache-2.0
"""Maps as pictures: class colours over the image, depth in false colours."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from peritus.image import as_rgb
from peritus.runtime.device import Result
from peritus.schema import file_name

GOLDEN = 0.618033988749895  # successive hues far from each other
CAPTION_ROWS = 14  # pixels of one line of text
OVERLAY = 0.55  # weight of the class colours
IMAGE, FEATURES = "_image", "_features"  # of a task's other files, behind its name
# Near to far: dark blue, teal, green, yellow.
DEPTH_COLOURS = np.array([[48, 18, 90], [40, 100, 142], [60, 175, 120], [253, 231, 37]], dtype=np.float32)

# Cordts et al., "The Cityscapes Dataset", CVPR 2016.
CITYSCAPES_COLOURS = {
    "road": (128, 64, 128), "sidewalk": (244, 35, 232), "building": (70, 70, 70), "wall": (102, 102, 156),
    "fence": (190, 153, 153), "pole": (153, 153, 153), "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0), "vegetation": (107, 142, 35), "terrain": (152, 251, 152),
    "sky": (70, 130, 180), "person": (220, 20, 60), "rider": (255, 0, 0), "car": (0, 0, 142),
    "truck": (0, 0, 70), "bus": (0, 60, 100), "train": (0, 80, 100), "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}  # fmt: skip

Picture = npt.NDArray[np.uint8]


def task_file(task: str) -> str:
    """Name of a task's files, without suffix; none of another task's begins so."""
    return file_name(task, (IMAGE, FEATURES))


def render(result: Result, image: Picture) -> Picture:
    """A picture of the task's map at the size of `image`, which may be grey: uint8 [height, width, 3]."""
    image = as_rgb(image)
    height, width = image.shape[:2]
    if result.task.kind == "classification":
        return captioned(image, [f"{share:.0%} {name}" for name, share in result.top()])
    if result.task.kind == "segmentation":
        classes = result.task.classes or ("",) * result.task.channels
        return overlay_classes(result.labels(height, width), classes, image)
    return false_colours(result.upsampled(height, width)[:, :, 0])


def render_all(result: Result, image: Picture) -> Picture:
    """The maps of all tasks of the job side by side: uint8 [height, width, 3]."""
    parts = [render(part, image) for part in result.by_task()]
    rows = max(part.shape[0] for part in parts)
    padded = [np.pad(part, ((0, rows - part.shape[0]), (0, 0), (0, 0))) for part in parts]
    return np.concatenate(padded, axis=1)


def captioned(image: Picture, lines: Sequence[str]) -> Picture:
    """The image with lines of text below it; uint8 [height + text, width, 3]."""
    rows = CAPTION_ROWS * len(lines)
    page = Image.new("RGB", (image.shape[1], image.shape[0] + rows))
    page.paste(Image.fromarray(image), (0, 0))
    draw = ImageDraw.Draw(page)
    for index, line in enumerate(lines):
        draw.text((4, image.shape[0] + CAPTION_ROWS * index), line, fill="white")
    return np.array(page)


def class_colours(classes: Sequence[str]) -> Picture:
    """The colour of each class: Cityscapes' own by name, a saturated one for others; uint8 [classes, 3]."""
    colours = [
        CITYSCAPES_COLOURS.get(name)
        or tuple(
            round(255 * v)
            for v in colorsys.hsv_to_rgb(i * GOLDEN % 1, 0.75 - 0.3 * (i % 2), 0.95 - 0.2 * (i % 3))
        )
        for i, name in enumerate(classes)
    ]
    return np.array(colours, np.uint8)


def overlay_classes(labels: npt.NDArray[np.int64], classes: Sequence[str], image: Picture) -> Picture:
    """Class colours blended over the image."""
    colours = class_colours(classes)[labels].astype(np.float32)
    blended = OVERLAY * colours + (1 - OVERLAY) * image.astype(np.float32)
    picture: Picture = np.round(blended).astype(np.uint8)
    return picture


def false_colours(values: npt.NDArray[np.float32]) -> Picture:
    """A map [height, width] from its smallest (first colour) to its largest value (last colour)."""
    low, high = float(values.min()), float(values.max())
    position = (values - low) / max(high - low, 1e-12) * (len(DEPTH_COLOURS) - 1)
    index = np.minimum(position.astype(np.int64), len(DEPTH_COLOURS) - 2)
    fraction = (position - index)[:, :, None]
    colours = DEPTH_COLOURS[index] * (1 - fraction) + DEPTH_COLOURS[index + 1] * fraction
    picture: Picture = np.round(colours).astype(np.uint8)
    return picture
