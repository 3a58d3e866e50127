# SPDX-License-Identifier: Apache-2.0
"""Does a data set fit a model, float or integer?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from quant_models.data.dataset import DataError, Dataset


class Labelled(Protocol):
    """A task, float or integer, that may have names for its classes."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def channels(self) -> int: ...

    @property
    def classes(self) -> tuple[str, ...]: ...


def check_fit(data: Dataset, model: str, tasks: Iterable[Labelled], size: tuple[int, int, int]) -> None:
    """Make sure that a data set has a fitting target for each of a model's tasks, and images of its size.

    Args:
        size: height, width and channels of the model's images.
    Raises:
        DataError: a target is missing, of another kind, channel count or order of classes, or the images have
            another size.
    """
    offered = {task.name: task for task in data.tasks}
    for task in tasks:
        found = offered.get(task.name)
        if found is None:
            raise DataError(f"{data.name} has no targets for task {task.name!r}; it has {', '.join(offered)}")
        if (found.kind, found.channels) != (task.kind, task.channels):
            raise DataError(
                f"{data.name}: task {task.name} is a {found.kind} with {found.channels} channels, "
                f"{model} expects a {task.kind} with {task.channels}"
            )
        for index, (theirs, ours) in enumerate(zip(found.classes, task.classes, strict=False)):
            if theirs != ours:
                raise DataError(
                    f"{data.name}: class {index} of task {task.name} is {theirs!r}, {model} expects {ours!r}"
                )
    shape = data[0].image.shape
    if shape != size:
        raise DataError(f"{data.name} has images of {list(shape)}, {model} expects {list(size)}")
