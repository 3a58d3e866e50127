# SPDX-License-Identifier: Apache-2.0
"""Maps as pictures: class colours over the photo, depth in false colours."""

from __future__ import annotations

import colorsys

import numpy as np
import numpy.typing as npt

from peritus.devices.device import Result

GOLDEN = 0.618033988749895  # successive hues far from each other
OVERLAY = 0.55  # weight of the class colours
# Near to far: dark blue, teal, green, yellow.
DEPTH_COLOURS = np.array([[48, 18, 90], [40, 100, 142], [60, 175, 120], [253, 231, 37]], dtype=np.float32)

Picture = npt.NDArray[np.uint8]


def render(result: Result, image: Picture) -> Picture:
    """A picture of the task's map at the size of `image`: uint8 [height, width, 3]."""
    height, width = image.shape[:2]
    if result.task.kind == "segmentation":
        return overlay_classes(result.labels(height, width), result.task.channels, image)
    return false_colours(result.upsampled(height, width)[:, :, 0])


def class_colours(count: int) -> Picture:
    """One saturated colour per class: uint8 [count, 3]."""
    colours = [
        colorsys.hsv_to_rgb(i * GOLDEN % 1, 0.75 - 0.3 * (i % 2), 0.95 - 0.2 * (i % 3)) for i in range(count)
    ]
    picture: Picture = np.round(np.array(colours) * 255).astype(np.uint8)
    return picture


def overlay_classes(labels: npt.NDArray[np.int64], count: int, image: Picture) -> Picture:
    """Class colours blended over the photo."""
    colours = class_colours(count)[labels].astype(np.float32)
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
