# SPDX-License-Identifier: Apache-2.0
"""Data sets by name: "scenes", "cityscapes:/path", "nyud:/path", "pascal:/path"; one's own as "folder:/path"
with maps, and "imagefolder:/path" with a folder per class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from quant_models.data.cityscapes import Cityscapes
from quant_models.data.dataset import DataError, Dataset
from quant_models.data.fit import Labelled
from quant_models.data.folder import existing_folder
from quant_models.data.layout import WHOLE
from quant_models.data.nyud import Nyud
from quant_models.data.own_classes import OwnClasses
from quant_models.data.own_maps import OwnMaps
from quant_models.data.part import Part, hold_out, spread
from quant_models.data.pascal import PascalContext
from quant_models.network.config import CITYSCAPES_CLASSES, TaskConfig


class Loader(Protocol):
    """A data set in a folder, as a class."""

    def __call__(
        self,
        root: Path,
        split: str,
        size: tuple[int, int],
        classes: tuple[str, ...] = (),
        count: int | None = None,
    ) -> Dataset: ...

    def splits(self, root: Path) -> tuple[str, ...]:
        """The splits with labels."""
        ...


_LOADERS: dict[str, Loader] = {
    "cityscapes": Cityscapes,
    "nyud": Nyud,
    "pascal": PascalContext,
    "folder": OwnMaps,
    "imagefolder": OwnClasses,
}
SCENES = "scenes"
SPECS = (SCENES, *(f"{name}:FOLDER" for name in _LOADERS))
SPECS_HELP = f"{', '.join(SPECS[:-1])} or {SPECS[-1]}; scenes are generated."
# How many scenes are generated unless one says so; a folder has what it has.
SCENE_COUNTS = {"train": 12288, "val": 128, "test": 512}


def open_dataset(
    spec: str,
    split: str | None,
    height: int,
    width: int,
    classes: tuple[str, ...] = (),
    *,
    count: int | None = None,
    cache: Path | None = None,
) -> Dataset:
    """A split of a data set, as samples of height x width pixels.

    Args:
        split: None: "test", or the only one; where there are others, it must be said.
        classes: the classes of the task `semseg`, or of a classification, by name; empty: all that the data
            set has.
        count: how many samples; of a folder with maps the first ones. None: all there are; generated scenes
            as in SCENE_COUNTS.
        cache: where generated scenes are kept. None: their default.
    Raises:
        DataError: unknown data set, split or class; missing folder or label; fewer samples than `count`.
    """
    if spec == SCENES:
        return _scenes(split or "test", height, width, classes, count, cache)
    loader, root = _find(spec)
    return loader(root, split or _default_split(spec, loader.splits(root)), (height, width), classes, count)


def classes_of(tasks: Iterable[Labelled], kind: str = "segmentation") -> tuple[str, ...]:
    """The class names of a model's task of this kind, float or integer; empty without one."""
    return next((task.classes for task in tasks if task.kind == kind), ())


def open_for(
    tasks: Sequence[Labelled],
    spec: str,
    split: str | None,
    height: int,
    width: int,
    *,
    count: int | None = None,
    cache: Path | None = None,
) -> Dataset:
    """`open_dataset` with the classes of a network, float or integer, and its name of a classification."""
    classes = _classes(spec, tasks)
    return _named(open_dataset(spec, split, height, width, classes, count=count, cache=cache), tasks)


def open_training(
    tasks: Sequence[TaskConfig],
    spec: str,
    height: int,
    width: int,
    *,
    count: int | None = None,
    validation: int | None = None,
    cache: Path | None = None,
) -> tuple[Dataset, Dataset]:
    """What a network trains on, and what it is validated on: the splits `train` and `val`.

    The network keeps its tasks' classes if the data set has all of them; if not, both sets have all tasks and
    classes of the data set, for the network to take over.

    Args:
        count, validation: how many samples of each; None: all there are. Of a folder that is not divided,
            `validation` must be said: so many, evenly spread, are held out.
    Raises:
        DataError: as `open_dataset`; a folder that has no such splits.
    """
    if spec == SCENES:
        classes = _classes(spec, tasks)
        return (
            _scenes("train", height, width, classes, count, cache),
            _scenes("val", height, width, classes, validation, cache),
        )
    loader, root = _find(spec)
    splits, size = loader.splits(root), (height, width)
    if splits == (WHOLE,):
        if validation is None:
            raise DataError(
                f"{root} is not divided into train and val: move its images into such folders, or "
                "say how many to hold out for validation (--validation)"
            )
        whole = loader(root, WHOLE, size, _kept(_named(loader(root, WHOLE, size), tasks), spec, tasks))
        return hold_out(_named(whole, tasks), validation, count)
    for split in ("train", "val"):
        if split not in splits:
            raise DataError(
                f"{root} has no split {split!r}, only {', '.join(splits)}: training needs train and val"
            )
    every = _named(loader(root, "train", size), tasks)
    classes = _kept(every, spec, tasks)
    names = classes or classes_of(every.tasks, "classification")  # val's may be fewer
    pair = loader(root, "train", size, classes, count), loader(root, "val", size, names, validation)
    return _named(pair[0], tasks), _named(pair[1], tasks)


def _named(data: Dataset, tasks: Sequence[Labelled]) -> Dataset:
    """A classification by the network's name for it, if it has one: folders of classes have none."""
    name = next((task.name for task in tasks if task.kind == "classification"), None)
    if name is not None and isinstance(data, OwnClasses):
        data.rename(name)
    return data


def open_calibration(spec: str, height: int, width: int, count: int, cache: Path | None = None) -> Dataset:
    """Up to `count` training images, of a folder evenly spread ones; their targets do not matter.

    Raises:
        DataError: as `open_dataset`; a folder that is divided, but has no split `train`.
    """
    if spec == SCENES:
        return _scenes("train", height, width, (), count, cache)
    loader, root = _find(spec)
    split = WHOLE if loader.splits(root) == (WHOLE,) else "train"
    data = loader(root, split, (height, width))
    return Part(data, spread(len(data), min(count, len(data))), "calibration")


def _kept(data: Dataset, spec: str, tasks: Sequence[TaskConfig]) -> tuple[str, ...]:
    """The classes of the network's tasks, if the data set has all of those tasks and classes; else none."""
    offered = {task.name: task for task in data.tasks}
    for task in tasks:
        found = offered.get(task.name)
        if found is None or found.kind != task.kind or not {*task.classes} <= {*found.classes}:
            return ()
    return _classes(spec, tasks)


def _classes(spec: str, tasks: Sequence[Labelled]) -> tuple[str, ...]:
    return classes_of(tasks, "classification" if spec.startswith("imagefolder:") else "segmentation")


def _find(spec: str) -> tuple[Loader, Path]:
    name, _, folder = spec.partition(":")
    if name not in _LOADERS or not folder:
        raise DataError(f"unknown data set {spec!r}; known: {', '.join(SPECS)}")
    return _LOADERS[name], existing_folder(Path(folder).expanduser())


def _default_split(spec: str, splits: tuple[str, ...]) -> str:
    if "test" in splits:
        return "test"
    if len(splits) > 1:
        raise DataError(f"{spec} has no labelled split 'test': choose one of {', '.join(splits)} (--split)")
    return splits[0]


def _scenes(
    split: str, height: int, width: int, classes: tuple[str, ...], count: int | None, cache: Path | None
) -> Dataset:
    from quant_models.data.scenes import SceneDataset

    count = SCENE_COUNTS.get(split, 1) if count is None else count  # an unknown split is refused there
    return SceneDataset(
        split, count, cache, height=height, width=width, classes=classes or CITYSCAPES_CLASSES
    )
