# SPDX-License-Identifier: Apache-2.0
"""One's own pictures with label maps, depth maps, or both, by equal stems.

    classes.txt                 one class name a line: of the labels 0, 1, ...
    [SPLIT/]images/NAME.jpg     or another format of peritus.photo
    [SPLIT/]labels/NAME.png     one channel: 0 .. classes - 1, or 255 = no label
    [SPLIT/]depth/NAME.npy      metres, 0 .. 1000, 0 = unknown; or NAME.png: 16 bits, millimetres, 0 = unknown

SPLIT is train, val or test. A folder with `images` itself is not divided: its one split is "all".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from peritus.schema import SchemaError, read_text
from quant_models.data.dataset import IGNORE, DataError, Target
from quant_models.data.folder import (
    DEPTH,
    Files,
    FolderDataset,
    check_range,
    existing_file,
    read_depth,
    read_map,
)
from quant_models.data.layout import SPLITS, WHOLE, entries, pictures, split_folder
from quant_models.network.config import TaskConfig

CLASSES_FILE = "classes.txt"
LONGEST_NAME = 64
FARTHEST = 1000.0  # metres: of larger values, the unit is another
_SUFFIXES = {"semseg": ("labels", (".png",)), "depth": ("depth", (".npy", ".png"))}


class OwnMaps(FolderDataset):
    """One split. The tasks are those of the folders there: `semseg` of labels, `depth` of depth."""

    def __init__(
        self,
        root: Path,
        split: str,
        size: tuple[int, int],
        classes: tuple[str, ...] = (),
        count: int | None = None,
    ) -> None:
        folder = split_folder(root, self.splits(root), split)
        images = pictures(folder / "images")
        files: dict[str, Files] = {stem: {"image": path} for stem, path in images.items()}
        tasks = []
        for task, (name, suffixes) in _SUFFIXES.items():
            if (folder / name).is_dir():
                tasks.append(_semseg(root / CLASSES_FILE) if task == "semseg" else DEPTH)
                for stem, path in _partners(folder / name, suffixes, images).items():
                    files[stem][task] = path
        if not tasks:
            raise DataError(f"{folder} has neither labels/ nor depth/: there is nothing to learn from images")
        self._labels = len(tasks[0].classes)  # in the files, of which `classes` may keep some
        super().__init__(f"{root.name} {split}", size, tuple(tasks), classes, list(files.values()), count)

    @classmethod
    def splits(cls, root: Path) -> tuple[str, ...]:
        """The splits that there are.

        Raises:
            DataError: none, or `images` beside them.
        """
        found = tuple(split for split in SPLITS if (root / split).is_dir())
        if (root / "images").is_dir():
            if found:
                raise DataError(
                    f"{root} has images/ and {found[0]}/: is it divided into splits? Move one away"
                )
            return (WHOLE,)
        if not found:
            raise DataError(f"{root} has neither images/ nor a split with one: {', '.join(SPLITS)}")
        return found

    def read_target(self, task: str, files: Files) -> Target:
        path = files[task]
        if task == "semseg":
            labels = read_map(path)
            check_range(path, labels, self._labels - 1, void=IGNORE)
            return labels
        if path.suffix.lower() == ".npy":
            depth = read_depth(path)
        else:
            millimetres = read_map(path)
            if millimetres.dtype == np.uint8:
                raise DataError(f"{path} has 8 bits, expected a depth of 16 bits in millimetres")
            depth = millimetres.astype(np.float32) / 1000
        if depth.max() > FARTHEST:
            raise DataError(
                f"{path} has depth {depth.max():g}, expected 0 to {FARTHEST:g} metres: is it in millimetres?"
            )
        return depth


def _partners(folder: Path, suffixes: tuple[str, ...], images: dict[str, Path]) -> dict[str, Path]:
    """The files of a folder by stem, one for each image and no other; DataError names one that lacks."""
    found: dict[str, Path] = {}
    for path in entries(folder):
        if path.suffix.lower() not in suffixes:
            raise DataError(f"{path} is not read, expected {' or '.join(suffixes)}")
        existing_file(path)
        if path.stem in found:
            raise DataError(f"{path} and {found[path.stem]} have the same stem: remove one of them")
        if path.stem not in images:
            raise DataError(f"{path} has no image of the same stem: add it, or remove this file")
        found[path.stem] = path
    for stem, image in images.items():
        if stem not in found:
            raise DataError(f"{image} has no {folder.name}/{stem}{suffixes[0]} in {folder.parent}")
    return found


def _semseg(path: Path) -> TaskConfig:
    """The task of a file with class names, one a line."""
    try:
        names = tuple(line.strip() for line in read_text(path).splitlines() if line.strip())
    except SchemaError as error:
        raise DataError(
            f"{path}: {error}; expected one class name a line, of the labels 0, 1, ..."
        ) from error
    if not 2 <= len(names) <= IGNORE:
        raise DataError(f"{path} has {len(names)} class names, expected 2 to {IGNORE}, one a line")
    for name in names:
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise DataError(
                f"{path}: class name {name[:LONGEST_NAME]!a}, expected at most "
                f"{LONGEST_NAME} printable characters"
            )
        if names.count(name) > 1:
            raise DataError(f"{path} names {name!r} twice")
    return TaskConfig("semseg", "segmentation", len(names), names)
