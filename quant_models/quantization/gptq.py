# SPDX-License-Identifier: Apache-2.0
"""Rounding weights so that their errors compensate each other: GPTQ (Frantar et al., 2022).

A layer's weights W are to become integers Q times a given scale per row. What counts is the error of the
output, |X (Q s - W)^T|^2 = tr((Q s - W) H (Q s - W)^T) with H = X^T X, X being the layer's inputs. Column by
column, a weight is rounded and its error is added to the columns not yet rounded, by as much as H lets them
make up for it: with U the upper Cholesky factor of H^-1,

    e = (w_j - q_j s) / U_jj,    w_k -= e U_jk  for all k > j.

Columns are taken by falling H_jj, the loudest inputs first, while many others can still compensate.

Layers are rounded in the order of execution, X being what the model produces with all earlier layers rounded.
Experts see the tokens that are routed to them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quant_models.network.moe import route
from quant_models.quantization.fake_quant import QuantM3ViT
from quant_models.quantization.fake_quant_moe import QuantMoeMlp
from quant_models.quantization.observe import BATCH
from quant_models.quantization.quantizers import weight_of

COLUMNS = 128  # errors reach the columns of a block at once, those behind it when the block is done
DAMPING = 0.01  # of the mean of H's diagonal, added to it


@dataclass(frozen=True)
class Rounding:
    """One layer's rounding: on how many `tokens`, and the SNR of its outputs there, in dB.

    `compensated_db` is None where tokens were too few (fewer than input channels): there, weights are rounded
    to nearest.
    """

    tokens: int
    nearest_db: float
    compensated_db: float | None


class Hessian:
    """H = X^T X (channels, channels) in float64, summed over batches of inputs; `tokens` of them."""

    def __init__(self, channels: int) -> None:
        self.matrix = torch.zeros(channels, channels, dtype=torch.float64)
        self.tokens = 0

    def add(self, x: Tensor) -> None:
        """Inputs (..., channels)."""
        x = x.detach().flatten(0, -2)
        self.matrix += (x.T @ x).double()
        self.tokens += len(x)

    def power(self, weight: Tensor) -> float:
        """|X W^T|^2 of weights (out, channels)."""
        return float(((weight.double() @ self.matrix) * weight).sum())


def nearest(weight: Tensor, scale: Tensor, limit: int) -> Tensor:
    """Integers (out, in), kept as float: weight / scale rounded and clamped to +-limit."""
    return (weight / scale).round().clamp(-limit, limit)


def compensate(weight: Tensor, hessian: Tensor, scale: Tensor, limit: int) -> Tensor:
    """GPTQ.

    Each row's largest weight keeps its nearest integer: where the scale is max |w| / limit, it stays so.

    Args:
        weight: (out, in). hessian: (in, in), X^T X. scale: (out, 1). limit: largest integer.
    Returns:
        Integers (out, in), kept as float64.
    """
    order = hessian.diagonal().argsort(descending=True, stable=True)
    h = hessian[order][:, order]
    mean = float(h.diagonal().mean())
    h = h + torch.eye(len(h), dtype=h.dtype) * (DAMPING * mean if mean > 0 else 1.0)
    upper = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(h)), upper=True)

    scale = scale.double()
    w = weight[:, order].double()
    fixed = nearest(w, scale, limit)
    largest = w.abs() == w.abs().amax(dim=1, keepdim=True)
    integers = torch.empty_like(w)
    for start in range(0, w.shape[1], COLUMNS):
        stop = min(start + COLUMNS, w.shape[1])
        errors = torch.empty(len(w), stop - start, dtype=w.dtype)
        for j in range(start, stop):
            q = torch.where(largest[:, j], fixed[:, j], nearest(w[:, j], scale[:, 0], limit))
            integers[:, j] = q
            error = (w[:, j] - q * scale[:, 0]) / upper[j, j]
            w[:, j + 1 : stop] -= torch.outer(error, upper[j, j + 1 : stop])
            errors[:, j - start] = error
        w[:, stop:] -= errors @ upper[start:stop, stop:]
    return integers[:, order.argsort()]


@torch.no_grad()
def round_rows(layer: nn.Module, hessian: Hessian, rows: slice = slice(None)) -> Rounding:
    """Move weights of a Brevitas layer onto its grid, where its own quantizer leaves them.

    Args:
        layer: its scales and bit width are taken as they are; its weight is changed in place.
        hessian: of the inputs of these rows. rows: output channels.
    """
    quantizer = layer.quant_weight()  # type: ignore[operator]
    limit = 2 ** (int(quantizer.bit_width) - 1) - 1
    parameter = layer.weight
    assert isinstance(parameter, Tensor)
    weight = parameter.flatten(1)[rows]
    scale = quantizer.scale.flatten(1).expand(len(parameter), 1)[rows]

    def snr(integers: Tensor) -> float:
        noise = hessian.power(integers * scale - weight)
        return 10 * math.log10(hessian.power(weight) / noise) if noise > 0 else 200.0

    simple = snr(nearest(weight, scale, limit))
    if hessian.tokens < weight.shape[1]:
        return Rounding(hessian.tokens, simple, None)
    integers = compensate(weight, hessian.matrix, scale, limit)
    found = snr(integers)
    # The largest weight itself, not its rounded product, so that max |w| stays to the last bit.
    largest = weight.abs() == weight.abs().amax(dim=1, keepdim=True)
    parameter.view(len(parameter), -1)[rows] = torch.where(
        largest, weight, (integers * scale).to(weight.dtype)
    )
    return Rounding(hessian.tokens, simple, found)


@torch.no_grad()
def round_weights(model: QuantM3ViT, images: Tensor) -> dict[str, Rounding]:
    """Round all weights of a fake-quantized model in place; what happened, by layer (and task or expert).

    Args:
        images: (B, C, H, W), pixels k/256. All tasks are run.
    """
    report: dict[str, Rounding] = {}
    backbone = model.backbone
    batches = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    with _watch(backbone.patch_embed) as hessian:
        for batch in batches:
            backbone.embed(batch)
    report["patch_embed"] = round_rows(backbone.patch_embed, hessian)

    embedded = [backbone.embed(batch) for batch in batches]
    streams = [(torch.tensor(task), x) for task in range(len(model.config.tasks)) for x in embedded]
    for index, block in enumerate(backbone.layers):
        path = f"blocks.{index}"
        for name, layer in (("qkv", block.attn.qkv), ("proj", block.attn.proj)):
            with _watch(layer) as hessian:
                for _, x in streams:
                    block.attend(x)
            report[f"{path}.{name}"] = round_rows(layer, hessian)
        tokens = [(task, block.norm2_quant(block.norm2(block.attend(x)))) for task, x in streams]
        if isinstance(block.mlp, QuantMoeMlp):
            _round_moe(block.mlp, tokens, path, report)
        else:
            for name, layer in (("fc1", block.mlp.fc1), ("fc2", block.mlp.fc2)):
                with _watch(layer) as hessian:
                    for _, y in tokens:
                        block.mlp(y)
                report[f"{path}.{name}"] = round_rows(layer, hessian)
        streams = [(task, block(x, task)) for task, x in streams]

    for name in (task.name for task in model.config.device_tasks):
        index = model.config.task_index(name)
        head = model.decoder(name).head
        hessian = Hessian(head.in_features)
        for task, x in streams:
            if int(task) == index:
                hessian.add(model.decoder(name).shape.tokens(model.final_quant(model.final_norm(x))))
        report[f"head.{name}"] = round_rows(head, hessian)
    return report


def _round_moe(
    moe: QuantMoeMlp, tokens: list[tuple[Tensor, Tensor]], path: str, report: dict[str, Rounding]
) -> None:
    """Gates on their task's tokens; experts on theirs, each times its score, as it counts in the sum."""
    config = moe.config
    for gate in range(moe.n_gates):
        hessian = Hessian(config.d_model)
        for task, y in tokens:
            if moe.n_gates == 1 or int(task) == gate:
                hessian.add(y)
        rows = slice(gate * config.n_experts, (gate + 1) * config.n_experts)
        report[f"{path}.gate{gate}"] = round_rows(moe.gate, hessian, rows)

    x = torch.cat([y.flatten(0, 1) for _, y in tokens])
    logits = torch.cat([moe.logits(y, task).flatten(0, 1) for task, y in tokens])
    indices, scores = route(logits, config.top_k)
    for expert in range(config.n_experts):
        chosen, slots = torch.nonzero(indices == expert, as_tuple=True)
        queue, score = x[chosen], scores[chosen, slots, None]
        hessian = Hessian(config.d_model)
        hessian.add(queue * score)
        rows = slice(expert * config.expert_hidden, (expert + 1) * config.expert_hidden)
        report[f"{path}.expert{expert}.htoh4"] = round_rows(moe.htoh4, hessian, rows)

        first = weight_of(moe.htoh4)[rows]
        hidden = moe.hidden(queue, first, moe.htoh4.bias[rows], moe.hidden_factor[expert])
        hessian = Hessian(config.expert_hidden)
        hessian.add(hidden * score)
        rows = slice(expert * config.d_model, (expert + 1) * config.d_model)
        report[f"{path}.expert{expert}.h4toh"] = round_rows(moe.h4toh, hessian, rows)


@contextmanager
def _watch(layer: nn.Module) -> Iterator[Hessian]:
    """Collect the inputs of a linear layer, or the patches of a patch convolution, while the body runs."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    hessian = Hessian(weight[0].numel())

    def add(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0]
        if isinstance(layer, nn.Conv2d):
            x = F.unfold(x, layer.kernel_size, stride=layer.stride).transpose(1, 2)
        hessian.add(x)

    handle = layer.register_forward_pre_hook(add)
    try:
        yield hessian
    finally:
        handle.remove()
