# SPDX-License-Identifier: Apache-2.0
"""Smaller scenes, by an integer factor per side."""

from __future__ import annotations

import numpy as np

from quant_models.data.dataset import DataError, Sample
from quant_models.data.scenes.classes import GENERATED
from quant_models.data.scenes.frame import HEIGHT, WIDTH


def check_size(height: int, width: int) -> None:
    """Raises: DataError, where a scene cannot be shrunk to height x width."""
    if height < 1 or width < 1 or HEIGHT % height or WIDTH % width:
        raise DataError(f"scenes are {HEIGHT} x {WIDTH}: {height} x {width} does not divide that")


def shrink(sample: Sample, height: int, width: int) -> Sample:
    """Image by area average, labels by majority (the lower train id of a tie), depth by the median low.

    Depth is the lower median of a block: always one of the measured depths, never a mean across an edge.
    """
    check_size(height, width)
    if (height, width) == (HEIGHT, WIDTH):
        return sample
    down, across = HEIGHT // height, WIDTH // width
    blocks = sample.image.reshape(height, down, width, across, 3)
    image = np.rint(blocks.mean(axis=(1, 3), dtype=np.float64)).astype(np.uint8)
    labels = sample.targets["semseg"].reshape(height, down, width, across)
    votes = np.stack([(labels == train_id).sum(axis=(1, 3)) for train_id in GENERATED])
    semseg = np.array(GENERATED, np.uint8)[votes.argmax(axis=0)]
    depths = sample.targets["depth"].reshape(height, down, width, across).transpose(0, 2, 1, 3)
    depths = np.sort(depths.reshape(height, width, down * across), axis=2)
    return Sample(image, {"semseg": semseg, "depth": depths[..., (down * across - 1) // 2]})
