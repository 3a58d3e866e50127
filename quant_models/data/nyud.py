# SPDX-License-Identifier: Apache-2.0
"""NYUDv2 (Silberman et al., ECCV 2012) as multi-task learning code distributes it: 40 classes and depth.

    images/{name}.jpg
    segmentation/{name}.png     0 = unlabelled, 1..40 = classes
    depth/{name}.npy            metres, 0 = unknown
    gt_sets/{train,val}.txt     one name per line

Source of the layout: NYUD_MT.tgz of ASTMT (Maninis et al., CVPR 2019), read by `data/nyud.py` of
VITA-Group/M3ViT. Its surface normals (normals/) and edges (edge/) are not read: M3ViTConfig has no
such tasks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from quant_models.data.dataset import Target
from quant_models.data.folder import (
    DEPTH,
    Files,
    FolderDataset,
    check_range,
    existing_folder,
    known_split,
    read_depth,
    read_map,
    read_split,
)
from quant_models.network.config import TaskConfig

SPLITS = ("train", "val")
# fmt: off
NYUD_CLASSES = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture",
    "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes",
    "ceiling", "books", "refrigerator", "television", "paper", "towel", "shower curtain", "box", "whiteboard",
    "person", "night stand", "toilet", "sink", "lamp", "bathtub", "bag", "other structure", "other furniture",
    "other prop",
)
# fmt: on
SEMSEG = TaskConfig("semseg", "segmentation", len(NYUD_CLASSES), NYUD_CLASSES)


class Nyud(FolderDataset):
    """One split; `val` has the 654 official test images."""

    def __init__(
        self,
        root: Path,
        split: str,
        size: tuple[int, int],
        classes: tuple[str, ...] = (),
        count: int | None = None,
    ) -> None:
        lists = existing_folder(root, "gt_sets")
        files = [
            {
                "image": root / "images" / f"{name}.jpg",
                "semseg": root / "segmentation" / f"{name}.png",
                "depth": root / "depth" / f"{name}.npy",
            }
            for name in read_split(lists / f"{known_split('nyud', split, SPLITS)}.txt")
        ]
        super().__init__(f"nyud {split}", size, (SEMSEG, DEPTH), classes, files, count)

    @classmethod
    def splits(cls, root: Path) -> tuple[str, ...]:
        """The splits with labels."""
        return SPLITS

    def read_target(self, task: str, files: Files) -> Target:
        path = files[task]
        if task == "semseg":
            labels = read_map(path)
            check_range(path, labels, len(NYUD_CLASSES))
            return labels.astype(np.uint8) - np.uint8(1)  # 0 wraps to 255 = IGNORE
        return read_depth(path)
