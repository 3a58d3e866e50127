# SPDX-License-Identifier: Apache-2.0
"""Twin -> QONNX, with the experts as one custom operator (`peritus.frontends.moe_format`)."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings

import torch
from brevitas.export import export_qonnx
from onnx import ModelProto

from quant_models.twin import QuantM3ViT

IMAGE, TASK, FEATURES = "image", "task", "features"


def to_qonnx(twin: QuantM3ViT) -> ModelProto:
    """Export the twin.

    Inputs of the graph: `image` (1, C, H, W) float, pixels k/256; `task` int64 scalar.
    Outputs: `features` (1, tokens, d_model), then one map (1, channels, H/4, W/4) per task, by its name.
    """
    config = twin.config
    example = torch.zeros(1, config.in_channels, config.image_height, config.image_width)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        registration = logging.getLogger("torch.onnx")
        level = registration.level
        registration.setLevel(logging.ERROR)
        try:
            model: ModelProto = export_qonnx(
                twin.eval(),
                args=(example, torch.tensor(0)),
                input_names=[IMAGE, TASK],
                output_names=[FEATURES, *config.task_names],
                dynamo=True,
                optimize=True,
            )
        finally:
            registration.setLevel(level)
    model.graph.name = config.name
    return model
