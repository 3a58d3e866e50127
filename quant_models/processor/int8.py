# SPDX-License-Identifier: Apache-2.0
"""Dynamic quantization by others: int8 weights, activations rounded to int8 by their range in each call."""

from __future__ import annotations

import copy
import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from quant_models.network.moe import ExpertLinear, Experts


class _Apart(nn.Module):
    """ExpertLinear with a linear layer for each expert, which is what PyTorch can quantize."""

    def __init__(self, source: ExpertLinear) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for weight, bias in zip(source.weight, source.bias, strict=True):
            layer = nn.Linear(weight.shape[1], weight.shape[0])
            layer.load_state_dict({"weight": weight, "bias": bias})
            self.layers.append(layer)

    def forward(self, x: Tensor, expert: int) -> Tensor:
        out: Tensor = self.layers[expert](x)
        return out


def int8_by_pytorch(module: nn.Module) -> nn.Module:
    """A copy in which every linear layer, those of the experts too, has int8 weights."""
    made = copy.deepcopy(module).eval()
    for experts in [part for part in made.modules() if isinstance(part, Experts)]:
        for name in ("htoh4", "h4toh"):
            setattr(experts, name, _Apart(getattr(experts, name)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a package that will take this over one day
        quantized: nn.Module = torch.ao.quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
            made, {nn.Linear}, dtype=torch.qint8
        )
    return quantized


def int8_by_onnxruntime(source: Path, target: Path) -> None:
    """The same of an ONNX file, a scale for each channel."""
    from onnxruntime.quantization import quantize_dynamic

    logger, level = logging.getLogger(), logging.getLogger().level
    logger.setLevel(logging.ERROR)  # of tensors whose shape it cannot infer, and does not need
    try:
        quantize_dynamic(source, target, per_channel=True)
    finally:
        logger.setLevel(level)
