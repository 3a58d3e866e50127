# SPDX-License-Identifier: Apache-2.0
"""PASCAL-Context as multi-task learning code distributes it: 21 classes and saliency.

    JPEGImages/{name}.jpg
    semseg/VOC12/{name}.png, or where that is missing semseg/pascal-context/{name}.png
                                    0..20 = background and the VOC classes, 255 = void
    sal_distill/{name}.png          0..255, salient above one half
    ImageSets/Context/{train,val}.txt

Source of the layout: PASCAL_MT.tgz of ASTMT (Maninis et al., CVPR 2019), read by `data/pascal_context.py` of
SimonVandenhende/Multi-Task-Learning-PyTorch (MTI-Net), on which M3ViT is built. Not read: human_parts/ and
pascal-context/ (nested MATLAB structures, which would need SciPy), surface normals (normals_distill/) and
edges, which M3ViTConfig has no tasks for. The data set has no depth.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from quant_models.data.dataset import IGNORE, Target
from quant_models.data.folder import (
    Files,
    FolderDataset,
    check_range,
    existing_folder,
    known_split,
    read_map,
    read_split,
)
from quant_models.network.config import TaskConfig

SPLITS = ("train", "val")
# fmt: off
PASCAL_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)
# fmt: on
SEMSEG = TaskConfig("semseg", "segmentation", len(PASCAL_CLASSES), PASCAL_CLASSES)
SALIENCY = TaskConfig("sal", "segmentation", 2, ("background", "salient"))


class PascalContext(FolderDataset):
    """One split."""

    def __init__(
        self,
        root: Path,
        split: str,
        size: tuple[int, int],
        classes: tuple[str, ...] = (),
        count: int | None = None,
    ) -> None:
        lists = existing_folder(root, "ImageSets", "Context")
        files = []
        for name in read_split(lists / f"{known_split('pascal', split, SPLITS)}.txt"):
            voc = root / "semseg" / "VOC12" / f"{name}.png"
            context = root / "semseg" / "pascal-context" / f"{name}.png"
            files.append(
                {
                    "image": root / "JPEGImages" / f"{name}.jpg",
                    "semseg": voc if voc.is_file() else context,
                    "sal": root / "sal_distill" / f"{name}.png",
                }
            )
        super().__init__(f"pascal {split}", size, (SEMSEG, SALIENCY), classes, files, count)

    @classmethod
    def splits(cls, root: Path) -> tuple[str, ...]:
        """The splits with labels."""
        return SPLITS

    def read_target(self, task: str, files: Files) -> Target:
        path = files[task]
        values = read_map(path)
        if task == "semseg":
            check_range(path, values, len(PASCAL_CLASSES) - 1, void=IGNORE)
            return values
        check_range(path, values, 255)
        return (values > 127).astype(np.uint8)
