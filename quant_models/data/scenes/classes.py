# SPDX-License-Identifier: Apache-2.0
"""Classes that scenes contain, as Cityscapes train ids, and their mapping to smaller sets of classes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from quant_models.data.dataset import IGNORE, DataError
from quant_models.network.config import CITYSCAPES_CLASSES

ROAD, SIDEWALK, BUILDING, WALL, POLE, SIGN, VEGETATION, TERRAIN, SKY, PERSON, CAR, TRUCK = (
    CITYSCAPES_CLASSES.index(name)
    for name in (
        "road",
        "sidewalk",
        "building",
        "wall",
        "pole",
        "traffic sign",
        "vegetation",
        "terrain",
        "sky",
        "person",
        "car",
        "truck",
    )
)
GENERATED = (ROAD, SIDEWALK, BUILDING, WALL, POLE, SIGN, VEGETATION, TERRAIN, SKY, PERSON, CAR, TRUCK)

# Where a class goes that a smaller set does not have.
MERGED = {"wall": "building", "terrain": "vegetation", "traffic sign": "pole", "truck": "car"}


def label_map(classes: tuple[str, ...]) -> npt.NDArray[np.uint8]:
    """Table [256]: Cityscapes train id to index into `classes`, after MERGED.

    Raises:
        DataError: a generated class has no place in `classes`, or `classes` names one that Cityscapes lacks.
    """
    for name in classes:
        if name not in CITYSCAPES_CLASSES:
            raise DataError(f"class {name!r} is not one of Cityscapes' {', '.join(CITYSCAPES_CLASSES)}")
    if len(set(classes)) != len(classes):
        raise DataError(f"classes {classes} are not distinct")
    table = np.full(256, IGNORE, np.uint8)
    for train_id in GENERATED:
        name = CITYSCAPES_CLASSES[train_id]
        target = name if name in classes else MERGED.get(name, name)
        if target not in classes:
            raise DataError(f"scenes contain {name!r}, which classes {classes} neither has nor merges")
        table[train_id] = classes.index(target)
    return table
