# SPDX-License-Identifier: Apache-2.0
"""A picture of several samples: image, labels in the colours of Cityscapes, depth (near is bright)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from quant_models.data.dataset import Sample
from quant_models.data.scenes.frame import MAX_DEPTH

# Cordts et al., CVPR 2016: the colour of each train id; the last row is for ignored pixels.
CITYSCAPES_COLOURS = np.array(
    [
        (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153),
        (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60),
        (255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230),
        (119, 11, 32), (0, 0, 0),
    ],
    np.uint8,
)  # fmt: skip


def contact_sheet(samples: Sequence[Sample], columns: int = 1) -> npt.NDArray[np.uint8]:
    """Rows of image | labels | depth, `columns` samples side by side: uint8 [rows * H, columns * 3 W, 3]."""
    strips = []
    for sample in samples:
        labels = CITYSCAPES_COLOURS[np.minimum(sample.targets["semseg"], len(CITYSCAPES_COLOURS) - 1)]
        near = 1 - np.log(np.maximum(sample.targets["depth"], 1.0)) / np.log(MAX_DEPTH)
        depth = np.repeat((near * 255).astype(np.uint8)[..., None], 3, axis=2)
        strips.append(np.concatenate([sample.image, labels, depth], axis=1))
    strips += [np.zeros_like(strips[0])] * (-len(strips) % columns)
    return np.concatenate(
        [np.concatenate(strips[i : i + columns], axis=1) for i in range(0, len(strips), columns)]
    )
