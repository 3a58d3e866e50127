# SPDX-License-Identifier: Apache-2.0
"""Runs an integer graph on one image: the definition of what every device must return."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from peritus.image import check_image
from peritus.ir.graph import Graph
from peritus.ir.types import IMAGE, Value


@dataclass(frozen=True)
class Execution:
    """What one job computes, all integers.

    output: int16 [rows, columns, channels], the task's map. features: int16 [tokens, d], the residual stream.
    values: every value of the graph by name, if it was asked for.
    """

    output: npt.NDArray[np.int16]
    features: npt.NDArray[np.int16]
    values: dict[str, Value] = field(default_factory=dict)


def execute(graph: Graph, image: npt.NDArray[np.uint8], task: str, keep_values: bool = False) -> Execution:
    """Run `task` on a uint8 [height, width, 3] image.

    Raises:
        ImageError: wrong type, size or channel count. UnknownTaskError: no such task.
    """
    index = graph.task_index(task)
    values: dict[str, Value] = {IMAGE: check_image(image, graph.image_height, graph.image_width)}
    needed = graph.needed(task, features=True)
    for node in graph.nodes:
        if node.name in needed:
            values[node.name] = node.execute(values, index)
    output, features = values[graph.head(task).name], values[graph.features]
    assert isinstance(output, np.ndarray) and isinstance(features, np.ndarray)
    return Execution(output.astype(np.int16), features.astype(np.int16), values if keep_values else {})
