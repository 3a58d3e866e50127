# SPDX-License-Identifier: Apache-2.0
"""Maps of a float network, for `peritus check --float`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def float_maps(path: Path, images: NDArray[np.uint8], pixels: str | None) -> dict[str, NDArray[np.float32]]:
    """float32 [images, rows, columns, channels] by task.

    Args:
        path: float weights (.safetensors), or a float .onnx. images: uint8 [n, height, width, channels].
        pixels: how an .onnx wants its pixels scaled; needed there.
    Raises:
        PeritusError: of the reader; names what is not understood.
    """
    import torch

    from quant_models.checkpoints.variant import Hints, parse_pixels
    from quant_models.float_onnx import read_float_onnx
    from quant_models.network.weights import load_weights
    from quant_models.quantization.quantize import to_float

    if path.suffix == ".onnx":
        net = read_float_onnx(path, Hints(pixels=None if pixels is None else parse_pixels(pixels))).net
    else:
        net = load_weights(path)
    net.eval()
    batch = to_float(images, net.config)
    with torch.no_grad():
        maps = {task: net(batch, task).movedim(1, -1).numpy() for task in net.config.task_names}
    return {task: np.asarray(values, np.float32) for task, values in maps.items()}
