# SPDX-License-Identifier: Apache-2.0
"""The integer graph: operations in execution order, in static single assignment form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from peritus.errors import PeritusError
from peritus.ir.ops import Head, Node
from peritus.ir.types import TensorType

IMAGE = "image"


class UnknownTaskError(PeritusError):
    """A task name that the model does not have; lists the ones it has."""


@dataclass(frozen=True)
class Task:
    """One task of the table.

    kind "segmentation": `channels` class logits, argmax is the label; "depth": one regressed map.
    classes: names, one per channel, or empty. scale: real value of one LSB of the head's int16 output.
    """

    name: str
    kind: Literal["segmentation", "depth"]
    channels: int
    scale: float
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """image_height, image_width: of the uint8 HWC camera frame. nodes: in execution order.

    features: name of the residual value that `features` returns. residual_scale: real value of one residual
    LSB.
    """

    image_height: int
    image_width: int
    nodes: tuple[Node, ...]
    tasks: tuple[Task, ...]
    features: str
    residual_scale: float

    def verify(self) -> dict[str, TensorType]:
        """Type of every value by name; GraphError names the first node that breaks a rule."""
        from peritus.ir.verify import verify

        return verify(self)

    def task_index(self, name: str) -> int:
        """Position of a task in the table; UnknownTaskError lists the known ones."""
        for index, task in enumerate(self.tasks):
            if task.name == name:
                return index
        raise UnknownTaskError(
            f"unknown task {name!r}; this model has {', '.join(t.name for t in self.tasks)}"
        )

    def head(self, task: str) -> Head:
        """The head of a task."""
        return next(node for node in self.nodes if isinstance(node, Head) and node.task == task)

    def needed(self, task: str | None, features: bool) -> set[str]:
        """Names of the nodes that a job of `task` executes (None: no head), with or without features."""
        wanted = {self.features} if features else set()
        if task is not None:
            wanted.add(self.head(task).name)
        for node in reversed(self.nodes):
            if node.name in wanted:
                wanted.update(node.inputs)
        return wanted - {IMAGE}
