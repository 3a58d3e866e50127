# SPDX-License-Identifier: Apache-2.0
"""A picture of several samples: image, labels in the colours of Cityscapes, depth (near is bright)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from peritus.report.pictures import class_colours
from quant_models.data.dataset import Sample
from quant_models.data.scenes.frame import MAX_DEPTH
from quant_models.network.config import CITYSCAPES_CLASSES


def contact_sheet(samples: Sequence[Sample], columns: int = 1) -> npt.NDArray[np.uint8]:
    """Rows of image | labels | depth, `columns` samples side by side: uint8 [rows * H, columns * 3 W, 3]."""
    colours = class_colours(CITYSCAPES_CLASSES)
    strips = []
    for sample in samples:
        labels = colours[sample.targets["semseg"]]
        near = 1 - np.log(np.maximum(sample.targets["depth"], 1.0)) / np.log(MAX_DEPTH)
        depth = np.repeat((near * 255).astype(np.uint8)[..., None], 3, axis=2)
        strips.append(np.concatenate([sample.image, labels, depth], axis=1))
    strips += [np.zeros_like(strips[0])] * (-len(strips) % columns)
    return np.concatenate(
        [np.concatenate(strips[i : i + columns], axis=1) for i in range(0, len(strips), columns)]
    )
