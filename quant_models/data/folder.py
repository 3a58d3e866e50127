# SPDX-License-Identifier: Apache-2.0
"""What the loaders of folders share: samples of files, their checks, and resizing to the model's image."""

from __future__ import annotations

import hashlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from peritus.image import ImageError
from peritus.photo import MAX_PIXELS, read_photo
from peritus.schema import SchemaError, file_fault, read_text
from quant_models.data.dataset import IGNORE, NO_DEPTH, DataError, Sample, Target, stack
from quant_models.network.config import TaskConfig

DEPTH = TaskConfig("depth", "depth", 1)

Files = dict[str, Path]  # of one sample: "image", one per task, and others that its targets follow from


class FolderDataset(ABC):
    """Samples read from files on every access, stretched to height x width pixels.

    Images are resized bilinearly over the area that a pixel covers, targets take the nearest pixel.

    Args:
        tasks: what the files hold. Of one called `semseg`, `classes` says which classes are kept, in this
            order; pixels of others become IGNORE. Empty: all of them.
        count: only the first samples. None: all.
    Raises:
        DataError: unknown class, missing file, fewer samples than `count`; from reading: a damaged file, a
            target of another size than its image, or a value out of range.
    """

    def __init__(
        self,
        name: str,
        size: tuple[int, int],
        tasks: tuple[TaskConfig, ...],
        classes: tuple[str, ...],
        files: list[Files],
        count: int | None,
    ) -> None:
        self.name, self._size = name, size
        self._files = first_samples(name, files, count)
        self._keep = np.full(256, IGNORE, np.uint8)
        self.tasks = tuple(
            self._narrowed(task, classes or task.classes) if task.name == "semseg" else task for task in tasks
        )
        for sample in self._files:
            for what, path in sample.items():
                existing_file(path, "" if what == "image" else str(sample["image"]))

    def _narrowed(self, task: TaskConfig, classes: tuple[str, ...]) -> TaskConfig:
        """The task with these classes alone; fills the table from labels of the files to theirs."""
        unknown = [c for c in classes if c not in task.classes]
        if unknown:
            raise DataError(f"{self.name} has no class {unknown[0]!r}; it has {', '.join(task.classes)}")
        for index, wanted in enumerate(classes):
            self._keep[task.classes.index(wanted)] = index
        return TaskConfig(task.name, task.kind, len(classes), classes)

    @abstractmethod
    def read_target(self, task: str, files: Files) -> Target:
        """A task's target at the size of the file: uint8 indices into `all_classes`, or float32 metres."""

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        files = self._files[index]
        image = read_image(files["image"])
        targets = {}
        for task in self.tasks:
            path = files[task.name]
            target = self.read_target(task.name, files)
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

    @cached_property
    def fingerprint(self) -> str:
        """As `Dataset.fingerprint`: reads every file once."""
        return fingerprint(self._files, self.tasks, self._size)


def first_samples(name: str, samples: Sequence[Any], count: int | None) -> list[Any]:
    """The first `count`, None: all; DataError if there are fewer, or none."""
    if not samples:
        raise DataError(f"{name} is empty, expected at least one image")
    if count is not None and not 1 <= count <= len(samples):
        raise DataError(f"{name} has {len(samples)} samples, {count} were asked for")
    return list(samples[:count])


def fingerprint(files: Sequence[Files], *others: object) -> str:
    """A hash of the content of all files, in order, and of what else the samples follow from.

    Raises:
        DataError: a file cannot be read.
    """
    digest = hashlib.sha256(repr(others).encode())
    for sample in files:
        for what, path in sorted(sample.items()):
            try:
                with path.open("rb") as file:
                    digest.update(what.encode() + hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise DataError(f"{path} cannot be read: {error.strerror}") from error
    return digest.hexdigest()[:16]


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """`read_photo` with a DataError."""
    try:
        return read_photo(path)
    except ImageError as error:
        raise DataError(str(error)) from error


def existing_folder(root: Path, *parts: str) -> Path:
    """The folder root/parts; DataError if there is none."""
    folder = root.joinpath(*parts)
    if not folder.is_dir():
        raise DataError(f"folder {folder} {file_fault(folder) or 'is a file'}")
    return folder


def known_split(name: str, split: str, splits: tuple[str, ...]) -> str:
    """`split` if the data set has it, else DataError."""
    if split not in splits:
        raise DataError(f"{name} has no split {split!r}; it has {', '.join(splits)}")
    return split


def read_split(path: Path) -> list[str]:
    """The names in a split's list file, one a line; DataError if it is missing or empty."""
    try:
        names = read_text(path).split()
    except SchemaError as error:
        raise DataError(f"split list {path}: {error}") from error
    if not names:
        raise DataError(f"split list {path} is empty, expected one image name per line")
    return names


def existing_file(path: Path, what: str = "") -> Path:
    """The path if it is a file; DataError otherwise. `what`: what needs it."""
    if fault := file_fault(path):
        raise DataError(f"file {path} {fault}" + (f", expected for {what}" if what else ""))
    return path


def read_map(path: Path) -> npt.NDArray[Any]:
    """A one-channel PNG as stored, [H, W]: grey values, 16-bit values, or a palette's indices."""
    existing_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures: the limit here is lower
            with Image.open(path, formats=("PNG",)) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise DataError(f"{path} has more pixels than the {MAX_PIXELS:,} that are read")
                pixels = np.array(image)
    except DataError:
        raise
    except Exception as error:  # decoders raise what they like
        raise DataError(f"{path} is no readable PNG: {str(error)[:200]}") from error
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


def read_depth(path: Path) -> npt.NDArray[np.float32]:
    """Metres [H, W] of an .npy file; DataError unless finite and not negative (NO_DEPTH = unknown)."""
    existing_file(path)
    try:
        depth = np.load(
            path, mmap_mode="r", allow_pickle=False
        )  # mapped: no size is believed without its bytes
    except Exception as error:  # its header is parsed as Python
        raise DataError(f"{path} is no readable array: {str(error)[:200]}") from error
    if not isinstance(depth, np.ndarray):
        raise DataError(f"{path} is an archive, expected one array (.npy)")
    if depth.ndim != 2 or depth.dtype.kind not in "fui":
        raise DataError(f"{path} has shape {depth.shape} of {depth.dtype}, expected one channel of metres")
    wrong = depth[~(np.isfinite(depth) & (depth >= NO_DEPTH))]
    if wrong.size:
        raise DataError(f"{path} has depth {wrong[0]} in {wrong.size} pixels, expected finite metres >= 0")
    return np.asarray(depth, np.float32)


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
