# SPDX-License-Identifier: Apache-2.0
"""Cityscapes (Cordts et al., CVPR 2016) in its official folder layout: 19 classes and depth from disparity.

    leftImg8bit/{split}/{city}/{city}_{sequence}_{frame}_leftImg8bit.png
    gtFine/{split}/{city}/..._gtFine_labelIds.png      label ids 0..33
    disparity/{split}/{city}/..._disparity.png         16 bits: 0 = unknown, else (p - 1) / 256 pixels
    camera/{split}/{city}/..._camera.json              baseline and focal length; optional

Source of the layout, of the ids and of the disparity's formula: README and helpers/labels.py of
github.com/mcordts/cityscapesScripts.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from peritus.schema import read_json, read_text
from quant_models.data.dataset import IGNORE, NO_DEPTH, DataError, Target
from quant_models.data.folder import (
    DEPTH,
    Files,
    FolderDataset,
    check_range,
    existing_folder,
    known_split,
    read_map,
)
from quant_models.network.config import CITYSCAPES_CLASSES, TaskConfig

SPLITS = ("train", "val", "test")
LABELLED = ("train", "val")
SEMSEG = TaskConfig("semseg", "segmentation", len(CITYSCAPES_CLASSES), CITYSCAPES_CLASSES)
# Without camera files: the stereo rig that nearly all recordings share.
DEFAULT_BASELINE = 0.209313  # metres
DEFAULT_FOCAL_LENGTH = 2262.52  # pixels of the full image, 2048 wide

# Label ids of the 19 classes, in the order of CITYSCAPES_CLASSES (the official train ids).
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
HIGHEST_LABEL_ID = 33
_TRAIN_ID = np.full(HIGHEST_LABEL_ID + 1, IGNORE, np.uint8)
_TRAIN_ID[list(LABEL_IDS)] = np.arange(len(LABEL_IDS))

_IMAGE_SUFFIX = "_leftImg8bit.png"


class Cityscapes(FolderDataset):
    """One split. The labels of `test` are withheld by the authors: there, all pixels are IGNORE."""

    def __init__(
        self,
        root: Path,
        split: str,
        size: tuple[int, int],
        classes: tuple[str, ...] = (),
        count: int | None = None,
    ) -> None:
        cameras = root / "camera" / known_split("cityscapes", split, SPLITS)
        folder = existing_folder(root, "leftImg8bit", split)
        images = sorted(folder.glob(f"*/*{_IMAGE_SUFFIX}"))
        if not images:
            raise DataError(f"{folder} has no images, expected CITY/*{_IMAGE_SUFFIX}")
        files = []
        for image in images:
            city, frame = image.parent.name, image.name.removesuffix(_IMAGE_SUFFIX)
            labels = root / "gtFine" / split / city / f"{frame}_gtFine_labelIds.png"
            disparity = root / "disparity" / split / city / f"{frame}_disparity.png"
            files.append({"image": image, "semseg": labels, "depth": disparity})
            camera = cameras / city / f"{frame}_camera.json"
            if camera.is_file():
                files[-1]["camera"] = camera
        super().__init__(f"cityscapes {split}", size, (SEMSEG, DEPTH), classes, files, count)

    @classmethod
    def splits(cls, root: Path) -> tuple[str, ...]:
        """The splits with labels."""
        return LABELLED

    def read_target(self, task: str, files: Files) -> Target:
        path = files[task]
        values = read_map(path)
        if task == "semseg":
            check_range(path, values, HIGHEST_LABEL_ID)
            train_ids: Target = _TRAIN_ID[values]
            return train_ids
        return depth_of(values, *read_camera(files.get("camera")))


def depth_of(disparity: npt.NDArray[np.uint16], baseline: float, focal: float) -> npt.NDArray[np.float32]:
    """Metres from stored 16-bit disparities: baseline * focal / ((p - 1) / 256); p <= 1 is NO_DEPTH."""
    pixels = (disparity.astype(np.float32) - 1) / 256
    return np.where(pixels > 0, baseline * focal / np.maximum(pixels, 1 / 256), NO_DEPTH).astype(np.float32)


def read_camera(path: Path | None) -> tuple[float, float]:
    """Baseline in metres and focal length in pixels of a camera file, or the defaults without one.

    Raises:
        DataError: the file does not hold both as positive numbers.
    """
    if path is None:
        return DEFAULT_BASELINE, DEFAULT_FOCAL_LENGTH
    try:
        camera = read_json(read_text(path))
        baseline, focal = float(camera["extrinsic"]["baseline"]), float(camera["intrinsic"]["fx"])
    except (ValueError, KeyError, TypeError, OverflowError) as error:  # SchemaError is a ValueError
        expected = "numbers extrinsic.baseline and intrinsic.fx"
        raise DataError(f"camera file {path}: {error!r}, expected {expected}") from error
    if not (0 < baseline < math.inf and 0 < focal < math.inf):
        raise DataError(f"camera file {path}: baseline {baseline}, fx {focal}, expected positive numbers")
    return baseline, focal
