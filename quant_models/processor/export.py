# SPDX-License-Identifier: Apache-2.0
"""A float network as ONNX with its experts gathered: each token goes to its own ones, whatever the image."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from quant_models.network.moe import Decision, MoeMlp


def export(module: nn.Module, batch: Tensor, path: Path) -> None:
    """Write what a module computes of images (B, C, H, W) as ONNX; the module is as before behind it."""
    with _traceable(module), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of indices that repeat or are negative: these do neither
        torch.onnx.export(
            module.eval(), (batch,), str(path), input_names=["image"], opset_version=17, dynamo=False
        )


@contextmanager
def _traceable(module: nn.Module) -> Iterator[None]:
    layers = [part for part in module.modules() if isinstance(part, MoeMlp)]
    for layer in layers:
        layer.mix = partial(_mix, layer)  # type: ignore[method-assign]
        layer.decide = partial(_decide, layer)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.mix, layer.decide


def _mix(moe: MoeMlp, tokens: Tensor, indices: Tensor, scores: Tensor) -> Tensor:
    """MoeMlp.mix without lists of Python, whose lengths a trace would keep as constants."""
    out = torch.zeros_like(tokens)
    for expert in range(moe.n_experts):
        rows, places = (indices == expert).nonzero(as_tuple=True)
        mixed = moe.experts(tokens[rows], expert) * scores[rows, places][:, None]
        out = out.index_add(0, rows, mixed)
    return out


def _decide(moe: MoeMlp, x: Tensor, task: int, task_embedding: Tensor | None) -> Decision:
    """MoeMlp.decide without the stable sort, which ONNX does not have; ties are rare in float."""
    logits = moe.logits(x, task, task_embedding)
    indices = logits.topk(moe.top_k, dim=-1).indices
    return Decision(task, logits, logits, indices, logits.softmax(dim=-1).gather(-1, indices))
