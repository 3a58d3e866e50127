# SPDX-License-Identifier: Apache-2.0
"""What stays on the host around a dataflow accelerator, and only moves: pixels to patches, logits to maps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from peritus.image import check_image
from peritus.ir import Graph
from peritus.ir.types import IMAGE
from peritus.reference import image_patches, pixel_shuffle
from peritus.reference.arithmetic import I64, Ints


def patches(graph: Graph, image: npt.NDArray[np.uint8]) -> I64:
    """uint8 [height, width, channels] -> the input stream, int8 values [1, patches, C patch^2].

    Raises:
        ImageError: wrong type, size or channel count.
    """
    return image_patches(check_image(image, *graph.types[IMAGE].shape), graph.patch_embed.patch)[None]


def task_map(graph: Graph, task: str, logits: Ints) -> npt.NDArray[np.int16]:
    """The output stream [1, tokens, channels] of a task -> its map, int16 [rows, columns, channels]."""
    head = graph.head(task)
    rows = logits[0, head.first : head.first + head.rows * head.columns]
    return pixel_shuffle(rows.astype(np.int64), head.rows, head.columns, head.upscale).astype(np.int16)
