# SPDX-License-Identifier: Apache-2.0
"""Data sets by name: "scenes", "cityscapes:/path", "nyud:/path", "pascal:/path"."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from quant_models.data.cityscapes import Cityscapes
from quant_models.data.dataset import DataError, Dataset
from quant_models.data.folder import existing_folder
from quant_models.data.nyud import Nyud
from quant_models.data.pascal import PascalContext
from quant_models.network.config import CITYSCAPES_CLASSES

_FOLDERS: dict[str, type[Cityscapes] | type[Nyud] | type[PascalContext]] = {
    "cityscapes": Cityscapes,
    "nyud": Nyud,
    "pascal": PascalContext,
}
SPECS = ("scenes", *(f"{name}:FOLDER" for name in _FOLDERS))


def open_dataset(
    spec: str,
    split: str,
    height: int,
    width: int,
    classes: tuple[str, ...] = (),
    *,
    count: int | None = None,
    cache: Path | None = None,
) -> Dataset:
    """A split of a data set, as samples of height x width pixels.

    Args:
        classes: the classes of the task `semseg`, by name; empty: all that the data set has.
        count: how many samples; of a folder the first ones. None: all (generated scenes: needed).
        cache: where generated scenes are kept. None: their default.
    Raises:
        DataError: unknown data set, split or class; missing folder or label; fewer samples than `count`.
    """
    if spec == "scenes":
        return _scenes(split, height, width, classes, count, cache)
    name, _, folder = spec.partition(":")
    if name not in _FOLDERS or not folder:
        raise DataError(f"unknown data set {spec!r}; known: {', '.join(SPECS)}")
    root = existing_folder(Path(folder).expanduser())
    return _FOLDERS[name](root, split, (height, width), classes, count)


class Labelled(Protocol):
    """A task, float or integer, that may have names for its classes."""

    @property
    def kind(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]: ...


def classes_of(tasks: Iterable[Labelled]) -> tuple[str, ...]:
    """The class names of a model's segmentation, float or integer; empty without one."""
    return next((task.classes for task in tasks if task.kind == "segmentation"), ())


def _scenes(
    split: str, height: int, width: int, classes: tuple[str, ...], count: int | None, cache: Path | None
) -> Dataset:
    from quant_models.data.scenes import SceneDataset

    if count is None:
        raise DataError("count is missing: how many scenes to generate")
    return SceneDataset(
        split, count, cache, height=height, width=width, classes=classes or CITYSCAPES_CLASSES
    )
