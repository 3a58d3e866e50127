# SPDX-License-Identifier: Apache-2.0
"""The layers that were read, as a network of ours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from quant_models.float_onnx.graph import OnnxError
from quant_models.float_onnx.values import (
    Activated,
    Floats,
    Heads,
    Linear,
    Mixed,
    Norm,
    Rows,
    Stream,
    Unknown,
    Value,
)
from quant_models.network.config import ActivationKind, M3ViTConfig, TaskConfig

Tensors = dict[str, Tensor]
_FUNCTIONS: Mapping[str, ActivationKind] = {"gelu": "gelu", "relu": "relu"}


@dataclass(frozen=True, eq=False)
class Backbone:
    """The blocks of a file. dimensions: the fields of M3ViTConfig that follow from them. tensors: its
    state."""

    stream: Stream
    epsilon: float
    dimensions: dict[str, int]
    activation: ActivationKind
    tensors: Tensors


@dataclass(frozen=True, eq=False)
class Classifier:
    """An output that is a linear layer on the normalized class token."""

    norm: Norm
    layer: Linear


def deepest_stream(values: Mapping[str, Value]) -> Stream:
    """The residual stream behind the last block that was understood.

    Raises:
        OnnxError: no block was.
    """
    streams = [v.base for v in values.values() if isinstance(v, Rows) and isinstance(v.base, Stream)]
    last = max(streams, key=lambda stream: len(stream.layers), default=None)
    if last is None or len(last.layers) < 2:
        reason = next(
            (value.reason for value in values.values() if isinstance(value, Unknown)), "too few nodes"
        )
        raise OnnxError(
            "no block of a vision transformer was found, which is norm, attention, norm, MLP, each added to "
            f"the residual stream. {reason}"
        )
    return last


def classifier(value: Value | None, stream: Stream) -> Classifier | None:
    """An output as a head on the class token; None if it is anything else."""
    if not isinstance(value, Rows) or not isinstance(value.base, Linear) or value.scale != 1:
        return None
    layer = value.base
    norm, classes = layer.source, len(layer.bias)
    if not isinstance(norm, Norm) or norm.stream.layers != stream.layers or not stream.tokens.prefix:
        return None
    return Classifier(norm, layer) if np.array_equal(value.index.ravel(), np.arange(classes)) else None


def backbone(stream: Stream) -> Backbone:
    """The blocks behind a stream.

    Raises:
        OnnxError: they are not all alike, or not what our blocks compute; names the block.
    """
    if len(stream.layers) % 2:
        raise OnnxError(f"behind {stream.tensor!r} a layer is missing: attention without an MLP behind it")
    tokens = stream.tokens
    prefix, d = tokens.prefix, tokens.shape[1]
    tensors: Tensors = {
        "patch_embed.proj.weight": _float(tokens.weight),
        "patch_embed.proj.bias": _float(tokens.bias),
        "pos_embed": _float(tokens.constant[None]),
    }
    if prefix:
        tensors["cls_token"] = torch.zeros(1, prefix, d)  # the positions hold it
    norms: list[Norm] = []
    shapes: set[tuple[int, int, int, str]] = set()
    for block in range(len(stream.layers) // 2):
        attention, mlp = stream.layers[2 * block : 2 * block + 2]
        try:
            attended = _attention(tensors, f"blocks.{block}", attention, stream.layers[: 2 * block])
            hidden = _mlp(tensors, f"blocks.{block}", mlp, stream.layers[: 2 * block + 1])
        except OnnxError as error:
            raise OnnxError(f"block {block}: {error}") from None
        norms += [attended[0], hidden[0]]
        shapes.add((*attended[1:], *hidden[1:]))
    epsilons = {norm.epsilon for norm in norms}
    if len(shapes) > 1 or max(epsilons) > min(epsilons) * (1 + 1e-4):
        raise OnnxError(
            f"blocks differ: (heads, head size, hidden, activation) {sorted(shapes)}, epsilons "
            f"{sorted(epsilons)}; "
            "expected all alike"
        )
    ((heads, width, hidden_size, function),) = shapes
    if heads * width != d:
        raise OnnxError(f"{heads} heads of {width} in {d} channels, expected {d} in all heads")
    dimensions = {
        "d_model": d,
        "n_layers": len(stream.layers) // 2,
        "n_heads": heads,
        "head_dim": width,
        "mlp_hidden": hidden_size,
        "patch_size": tokens.weight.shape[-1],
        "in_channels": tokens.weight.shape[1],
        "prefix_tokens": prefix,
    }
    named = {f"backbone.{name}": value for name, value in tensors.items()}
    return Backbone(stream, min(epsilons), dimensions, _FUNCTIONS[function], named)


def configuration(
    found: Backbone,
    name: str,
    image: tuple[int, int],
    tasks: Sequence[TaskConfig],
    pixels: tuple[tuple[float, ...], tuple[float, ...]],
) -> M3ViTConfig:
    """The configuration of blocks without experts. pixels: mean and deviation per channel, of pixels
    k/256."""
    size = found.dimensions
    return M3ViTConfig(
        name=name,
        image_height=image[0],
        image_width=image[1],
        d_model=size["d_model"],
        n_layers=size["n_layers"],
        n_heads=size["n_heads"],
        head_dim=size["head_dim"],
        mlp_hidden=size["mlp_hidden"],
        patch_size=size["patch_size"],
        in_channels=size["in_channels"],
        prefix_tokens=size["prefix_tokens"],
        expert_hidden=size["mlp_hidden"],  # of experts that there are none of
        n_experts=1,
        top_k=1,
        tasks=tuple(tasks),
        moe_layers=(),
        layer_norm_eps=found.epsilon,
        pixel_mean=pixels[0],
        pixel_std=pixels[1],
        activation=found.activation,
    )


def _attention(
    tensors: Tensors, block: str, proj: Linear, before: tuple[Linear, ...]
) -> tuple[Norm, int, int]:
    """Adds the tensors of a block's attention; its norm, heads and their width."""
    mixed = proj.source
    if not isinstance(mixed, Mixed):
        raise OnnxError(f"begins with a layer on {type(mixed).__name__}, expected attention")
    parts = (mixed.query, mixed.key, mixed.value)
    norm = _common_norm([part.layer for part in parts], before)
    heads, width = mixed.query.columns.shape
    if mixed.value.columns.shape != (heads, width):
        raise OnnxError(f"values of {mixed.value.columns.shape[1]} channels, queries of {width}")
    factor = mixed.scale * math.sqrt(width)  # our scores are divided by the root of the width
    weights, biases = zip(*(_rows(part) for part in parts), strict=True)
    tensors[f"{block}.attn.qkv.weight"] = _float(np.concatenate((weights[0] * factor, *weights[1:])))
    tensors[f"{block}.attn.qkv.bias"] = _float(np.concatenate((biases[0] * factor, *biases[1:])))
    _store(tensors, f"{block}.attn.proj", proj)
    _store_norm(tensors, f"{block}.norm1", norm)
    return norm, heads, width


def _mlp(tensors: Tensors, block: str, fc2: Linear, before: tuple[Linear, ...]) -> tuple[Norm, int, str]:
    """Adds the tensors of a block's MLP; its norm, hidden width and activation."""
    activated = fc2.source
    if not isinstance(activated, Activated):
        raise OnnxError(f"ends with a layer on {type(activated).__name__}, expected an MLP")
    norm = _common_norm([activated.source], before)
    _store(tensors, f"{block}.mlp.fc1", activated.source)
    _store(tensors, f"{block}.mlp.fc2", fc2)
    _store_norm(tensors, f"{block}.norm2", norm)
    return norm, len(activated.source.bias), activated.function


def _common_norm(layers: Sequence[Linear], before: tuple[Linear, ...]) -> Norm:
    """The norm that all layers read, of the stream behind the layers `before`."""
    norms = [layer.source for layer in layers]
    first = norms[0]
    if not isinstance(first, Norm):
        raise OnnxError(f"a layer reads {type(first).__name__}, expected a LayerNorm of the residual stream")
    for norm in norms:
        if not isinstance(norm, Norm) or not _same_norm(norm, first):
            raise OnnxError("queries, keys and values read different norms")
    if first.stream.layers != before:
        raise OnnxError("a norm reads an earlier state of the residual stream: branches beside each other")
    return first


def _same_norm(a: Norm, b: Norm) -> bool:
    return (
        a.stream.layers == b.stream.layers
        and a.epsilon == b.epsilon
        and np.array_equal(a.gamma, b.gamma)
        and np.array_equal(a.beta, b.beta)
    )


def _rows(heads: Heads) -> tuple[Floats, Floats]:
    """Weight and bias of the channels of all heads, in order."""
    columns = heads.columns.ravel()
    return heads.layer.weight[columns], heads.layer.bias[columns]


def _store(tensors: Tensors, name: str, layer: Linear) -> None:
    tensors[f"{name}.weight"], tensors[f"{name}.bias"] = _float(layer.weight), _float(layer.bias)


def _store_norm(tensors: Tensors, name: str, norm: Norm) -> None:
    tensors[f"{name}.weight"], tensors[f"{name}.bias"] = _float(norm.gamma), _float(norm.beta)


def _float(values: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).float()
