# SPDX-License-Identifier: Apache-2.0
"""Runs an integer graph on one image: the definition of what every device must return."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from peritus.image import check_image
from peritus.ir.graph import Graph
from peritus.ir.types import IMAGE, Value
from peritus.tail import TailError, TailSession


@dataclass(frozen=True)
class Execution:
    """What one job computes, all integers.

    output: int16 [rows, columns, channels], the task's map; None if the host computes it from the features.
    features: int16 [tokens, d], the residual stream.
    values: every value of the graph by name, if it was asked for.
    """

    output: npt.NDArray[np.int16] | None
    features: npt.NDArray[np.int16]
    values: dict[str, Value] = field(default_factory=dict)


def real_map(graph: Graph, task: str, found: Execution, tail: TailSession | None) -> npt.NDArray[np.float32]:
    """A task's map in real units, float32 [rows, columns, channels], with the host's part if it has one.

    Raises:
        TailError: the task is the host's, and there is no tail.
    """
    entry = graph.tasks[graph.task_index(task)]
    if found.output is not None:
        return found.output.astype(np.float32) * np.float32(entry.scale)
    if tail is None or entry.host is None:
        raise TailError(f"task {task!r} is computed on the host, by a part that the model lacks")
    features = found.features.astype(np.float32) * np.float32(graph.residual_scale)
    return tail.run(features, task, (*entry.host, entry.channels))


def execute(graph: Graph, image: npt.NDArray[np.uint8], task: str, keep_values: bool = False) -> Execution:
    """Run `task` on a uint8 [height, width, channels] image.

    Raises:
        ImageError: wrong type, size or channel count. UnknownTaskError: no such task.
    """
    index = graph.task_index(task)
    values: dict[str, Value] = {IMAGE: check_image(image, *graph.types[IMAGE].shape)}
    needed = graph.needed(task, features=True)
    for node in graph.nodes:
        if node.name in needed:
            values[node.name] = node.execute(values, index)
    features = values[graph.features]
    assert isinstance(features, np.ndarray)
    output = None
    if graph.tasks[index].host is None:
        found = values[graph.head(task).name]
        assert isinstance(found, np.ndarray)
        output = found.astype(np.int16)
    return Execution(output, features.astype(np.int16), values if keep_values else {})
