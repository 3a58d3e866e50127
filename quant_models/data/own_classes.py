# SPDX-License-Identifier: Apache-2.0
"""One's own pictures sorted into a folder per class, as torchvision's ImageFolder has them: a classification.

    [SPLIT/]CLASS/NAME.jpg      or another format of peritus.photo

SPLIT is train, val or test. A folder with other folders than these is not divided: its one split is "all".
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from peritus.image import fit_image
from quant_models.data.dataset import DataError, Sample, Target, stack
from quant_models.data.folder import fingerprint, first_samples, read_image
from quant_models.data.layout import SPLITS, WHOLE, entries, pictures, split_folder
from quant_models.data.part import spread
from quant_models.data.photos import SUFFIXES
from quant_models.network.config import TaskConfig

TASK = "classes"


class OwnClasses:
    """One split: the largest centred part of each picture, scaled to height x width, and the class.

    Args:
        classes: the names of a network's classes, whose indices the targets are. Empty: the folders' names in
            order.
        count: only so many, evenly spread over all: the first would be of one class. None: all.
    Raises:
        DataError: fewer than two classes, one without pictures, or one that is not among `classes`; no such
            split; fewer samples than `count`; from reading: a damaged picture.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        size: tuple[int, int],
        classes: tuple[str, ...] = (),
        count: int | None = None,
    ) -> None:
        folder = split_folder(root, self.splits(root), split)
        folders = _class_folders(folder)
        if len(folders) < 2:
            raise DataError(f"{folder} has {len(folders)} folders of classes, expected at least 2")
        names = classes or tuple(path.name for path in folders)
        unknown = [path for path in folders if path.name not in names]
        if unknown:
            raise DataError(
                f"{unknown[0]} is none of the {len(names)} classes {_listed(names)}: rename the folder"
            )
        samples = [(path, names.index(of.name)) for of in folders for path in pictures(of).values()]
        self.name, self._size = f"{root.name} {split}", size
        first_samples(self.name, samples, count)  # are there so many?
        self._samples = [samples[i] for i in spread(len(samples), count or len(samples))]
        self.tasks = (TaskConfig(TASK, "classification", len(names), names),)

    @classmethod
    def splits(cls, root: Path) -> tuple[str, ...]:
        """The splits that there are; DataError where they lie among classes."""
        folders = [path.name for path in entries(root) if path.is_dir()]
        found = tuple(split for split in SPLITS if split in folders)
        others = [name for name in folders if name not in SPLITS]
        if found and others:
            raise DataError(f"{root} has {found[0]}/ and {others[0]}/: splits, or classes? Move one away")
        return found or (WHOLE,)

    def rename(self, task: str) -> None:
        """Call the task as a network does."""
        self.tasks = (replace(self.tasks[0], name=task),)

    @cached_property
    def fingerprint(self) -> str:
        """As `Dataset.fingerprint`: reads every file once."""
        labels = [label for _, label in self._samples]
        return fingerprint([{"image": path} for path, _ in self._samples], self.tasks, self._size, labels)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample:
        path, label = self._samples[index]
        image = fit_image(read_image(path), *self._size)
        return Sample(image, {self.tasks[0].name: np.full((1, 1), label, np.int64)})

    def batch(self, indices: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.uint8], dict[str, Target]]:
        """Several samples at once: images uint8 [B, H, W, 3], and the classes int64 [B, 1, 1]."""
        return stack([self[int(index)] for index in indices])


def _class_folders(folder: Path) -> list[Path]:
    """The folders of a split; DataError if a picture lies beside them, and so in no class."""
    found = entries(folder)
    for path in found:
        if path.suffix.lower() in SUFFIXES and path.is_file():
            raise DataError(f"{path} lies in no folder of a class: move it into one")
    return [path for path in found if path.is_dir()]


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
