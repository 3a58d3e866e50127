# SPDX-License-Identifier: Apache-2.0
"""What the loaders of public data sets share: files to arrays, checks, and resizing to the model's image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from peritus.image import ImageError
from peritus.photo import read_photo
from quant_models.data.dataset import IGNORE, NO_DEPTH, DataError, Sample, Target, stack
from quant_models.network.config import TaskConfig

DEPTH = TaskConfig("depth", "depth", 1)

Files = dict[str, Path]  # of one sample: "image", and one per task


class FolderDataset(ABC):
    """Samples read from files on every access, stretched to height x width pixels.

    Images are resized bilinearly over the area that a pixel covers, targets take the nearest pixel. The tasks
    are `semseg` and one more.

    Args:
        classes: which classes of `all_classes` the task `semseg` keeps, in this order; pixels of others
            become IGNORE. Empty: all of them.
        count: only the first samples. None: all.
    Raises:
        DataError: unknown class, missing file, fewer samples than `count`; from reading: a damaged file, a
            target of another size than its image, or a value out of range.
    """

    def __init__(
        self,
        name: str,
        size: tuple[int, int],
        all_classes: tuple[str, ...],
        classes: tuple[str, ...],
        second_task: TaskConfig,
        files: list[Files],
        count: int | None,
    ) -> None:
        unknown = [c for c in classes if c not in all_classes]
        if unknown:
            raise DataError(f"{name} has no class {unknown[0]!r}; it has {', '.join(all_classes)}")
        if count is not None and not 1 <= count <= len(files):
            raise DataError(f"{name} has {len(files)} samples, {count} were asked for")
        self.name = name
        classes = classes or all_classes
        self.tasks = (TaskConfig("semseg", "segmentation", len(classes), classes), second_task)
        self._size, self._files = size, files[:count]
        self._keep = np.full(256, IGNORE, np.uint8)
        for index, wanted in enumerate(classes):
            self._keep[all_classes.index(wanted)] = index
        for sample in self._files:
            for task, path in sample.items():
                existing_file(path, "" if task == "image" else str(sample["image"]))

    @abstractmethod
    def read_target(self, task: str, path: Path) -> Target:
        """A task's target at the size of the file: uint8 indices into `all_classes`, or float32 metres."""

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        files = self._files[index]
        try:
            image = read_photo(files["image"])
        except ImageError as error:
            raise DataError(str(error)) from error
        targets = {}
        for task in self.tasks:
            path = files[task.name]
            target = self.read_target(task.name, path)
            if target.shape != image.shape[:2]:
                raise DataError(
                    f"{path} is {_size(target)} pixels, expected {_size(image)} as its image {files['image']}"
                )
            target = resize_nearest(target, *self._size)
            targets[task.name] = self._keep[target] if task.name == "semseg" else target
        return Sample(resize_image(image, *self._size), targets)

    def batch(self, indices: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.uint8], dict[str, Target]]:
        """Several samples at once: images uint8 [B, H, W, 3] and each task's targets [B, H, W]."""
        return stack([self[int(index)] for index in indices])


def existing_folder(root: Path, *parts: str) -> Path:
    """The folder root/parts; DataError if there is none."""
    folder = root.joinpath(*parts)
    if not folder.is_dir():
        raise DataError(f"folder {folder} does not exist")
    return folder


def known_split(name: str, split: str, splits: tuple[str, ...]) -> str:
    """`split` if the data set has it, else DataError."""
    if split not in splits:
        raise DataError(f"{name} has no split {split!r}; it has {', '.join(splits)}")
    return split


def read_split(path: Path) -> list[str]:
    """The names in a split's list file, one a line; DataError if it is missing or empty."""
    existing_file(path)
    names = path.read_text().split()
    if not names:
        raise DataError(f"split list {path} is empty, expected one image name per line")
    return names


def existing_file(path: Path, what: str = "") -> Path:
    """The path if it is a file; DataError otherwise. `what`: what needs it."""
    if not path.is_file():
        raise DataError(f"file {path} does not exist" + (f", expected for {what}" if what else ""))
    return path


def read_map(path: Path) -> npt.NDArray[Any]:
    """A one-channel PNG as stored, [H, W]: grey values, 16-bit values, or a palette's indices."""
    existing_file(path)
    try:
        with Image.open(path) as image:
            pixels = np.array(image)
    except Exception as error:  # decoders raise what they like
        raise DataError(f"{path} is no readable image: {str(error)[:200]}") from error
    if pixels.ndim != 2 or pixels.dtype.kind not in "ui":
        raise DataError(
            f"{path} has shape {pixels.shape} of {pixels.dtype}, expected one channel of integers"
        )
    return pixels


def check_range(path: Path, values: npt.NDArray[Any], highest: int, void: int | None = None) -> None:
    """DataError unless every label is in 0..highest or `void`."""
    wrong = values[(values < 0) | (values > highest)]
    if void is not None:
        wrong = wrong[wrong != void]
    if wrong.size:
        also = "" if void is None else f" or {void}"
        raise DataError(f"{path} has label {wrong[0]} in {wrong.size} pixels, expected 0..{highest}{also}")


def check_depth(path: Path, depth: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Metres as float32 [H, W]; DataError unless they are finite and not negative (NO_DEPTH = unknown)."""
    if depth.ndim != 2 or depth.dtype.kind not in "fui":
        raise DataError(f"{path} has shape {depth.shape} of {depth.dtype}, expected one channel of metres")
    wrong = depth[~(np.isfinite(depth) & (depth >= NO_DEPTH))]
    if wrong.size:
        raise DataError(f"{path} has depth {wrong[0]} in {wrong.size} pixels, expected finite metres >= 0")
    return depth.astype(np.float32)


def resize_image(image: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """uint8 [H, W, 3] to [height, width, 3]; bilinear, widened to the covered area where it shrinks."""
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def resize_nearest(target: Target, height: int, width: int) -> Target:
    """[H, W] to [height, width], the value at the centre of each new pixel."""
    rows, columns = target.shape
    y = (2 * np.arange(height) + 1) * rows // (2 * height)
    x = (2 * np.arange(width) + 1) * columns // (2 * width)
    nearest: Target = target[y[:, None], x]
    return nearest


def _size(pixels: npt.NDArray[Any]) -> str:
    return f"{pixels.shape[0]} x {pixels.shape[1]}"
