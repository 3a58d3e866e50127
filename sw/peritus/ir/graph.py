# SPDX-License-Identifier: Apache-2.0
"""The integer graph: operations in execution order, in static single assignment form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from peritus.ir.ops import Head, Node, Operation, PatchEmbed
from peritus.ir.stored import Record
from peritus.ir.task import Task, UnknownTaskError
from peritus.ir.types import IMAGE, TensorType
from peritus.ir.verify import image_channels, verify
from peritus.schema import Extent, Name, Scale


@dataclass(frozen=True)
class Graph(Record):
    """A verified graph: making one that breaks a rule raises GraphError, which names the first such node.

    image_height, image_width: of the uint8 HWC camera frame; `image_channels` follow from its reader. nodes:
    in execution order.
    features: name of the residual value that `features` returns. residual_scale: real value of one residual
    LSB. types: of every value by name; found by verification, not given.
    """

    image_height: Extent
    image_width: Extent
    nodes: tuple[Operation, ...]
    tasks: tuple[Task, ...]
    features: Name
    residual_scale: Scale
    types: Mapping[str, TensorType] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        types = verify(
            self.nodes,
            self.tasks,
            image=(self.image_height, self.image_width),
            features=self.features,
            residual_scale=self.residual_scale,
        )
        object.__setattr__(self, "types", types)

    @cached_property
    def node(self) -> Mapping[str, Node]:
        """Nodes by name."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def readers(self) -> Mapping[str, tuple[Node, ...]]:
        """The nodes that read each value, in execution order."""
        readers: dict[str, tuple[Node, ...]] = dict.fromkeys(self.types, ())
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):  # a value read twice has one reader
                readers[name] += (node,)
        return readers

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

    @cached_property
    def patch_embed(self) -> PatchEmbed:
        """The node that reads the image."""
        return next(node for node in self.nodes if isinstance(node, PatchEmbed))

    @property
    def image_channels(self) -> int:
        """Channels of the camera frame."""
        return image_channels(self.nodes)

    def needed(self, task: str | None, features: bool) -> set[str]:
        """Names of the nodes that a job of `task` executes (None: no head), with or without features."""
        on_host = task is not None and self.tasks[self.task_index(task)].host is not None
        wanted = {self.features} if features or on_host else set()
        if task is not None and not on_host:
            wanted.add(self.head(task).name)
        for node in reversed(self.nodes):
            if node.name in wanted:
                wanted.update(node.inputs)
        return wanted - {IMAGE}
