# SPDX-License-Identifier: Apache-2.0
"""Experts made from the dense layer beside them, after sparse upcycling (Komatsuzaki et al., ICLR 2023).

The dense layer computes fc2(GELU(fc1 x)) with H hidden units, an expert has h <= H. Every H // h experts
share the H units in a random order, each taking h of them, so that such a group together is the dense layer.
The experts that a token meets add up to

    sum_k s_k (W2[:, units_k] c) GELU(W1[units_k] x)     with c = (H / h) / S,

whose mean over the choice of units is the dense output when the scores s_k sum to S. S is estimated: the mean
sum of the top-k scores, over all tasks, of tokens drawn as norm2 would shape white noise.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from quant_models.checkpoints.edge_moe import SUFFIX, photo, read_file
from quant_models.checkpoints.errors import CheckpointError
from quant_models.network.config import M3ViTConfig
from quant_models.network.model import M3ViT
from quant_models.network.moe import TaskRepresentation

MATCHING_STEPS = 12  # bisections
SAMPLES = 1024  # tokens from which the sum of the scores is estimated


def dense_neighbour(layer: int, tensors: dict[str, Tensor]) -> int | None:
    """The dense layer before a mixture of experts, else the one behind it, if its tensors are there."""
    for candidate in (layer - 1, layer + 1):
        mlp = f"backbone.blocks.{candidate}.mlp"
        if all(f"{mlp}.{name}" in tensors for name in ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")):
            return candidate
    return None


def can_route(tensors: dict[str, Tensor], config: M3ViTConfig, layer: int) -> bool:
    """True if the norm and the routers of `layer` are there, from which the scores follow."""
    block = f"backbone.blocks.{layer}"
    gates = (
        [f"{block}.mlp.gate.{task}.w_gate" for task in range(len(config.tasks))]
        if config.gate == "multi_gate"
        else [f"{block}.mlp.gate.w_gate"]
    )
    return all(key in tensors for key in (f"{block}.norm2.weight", f"{block}.norm2.bias", *gates))


def upcycle(
    tensors: dict[str, Tensor], config: M3ViTConfig, layer: int, source: int, seed: int = 0
) -> dict[str, Tensor]:
    """All four tensors of the experts of `layer` from the dense layer `source`; needs `can_route`.

    Raises:
        CheckpointError: the experts are wider than the dense layer.
    """
    mlp = f"backbone.blocks.{source}.mlp"
    w1, b1 = tensors[f"{mlp}.fc1.weight"], tensors[f"{mlp}.fc1.bias"]
    w2, b2 = tensors[f"{mlp}.fc2.weight"], tensors[f"{mlp}.fc2.bias"]
    hidden, width = w1.shape[0], config.expert_hidden
    if width > hidden:
        raise CheckpointError(
            f"experts of layer {layer} have {width} hidden units, dense layer {source} only {hidden}"
        )
    generator = torch.Generator().manual_seed(seed + layer)
    parts = hidden // width
    units: list[Tensor] = []
    while len(units) < config.n_experts:
        units += torch.randperm(hidden, generator=generator)[: parts * width].view(parts, width)
    total = _score_sum(tensors, config, layer, generator)
    experts = f"backbone.blocks.{layer}.mlp.experts"
    chosen = units[: config.n_experts]
    return {
        f"{experts}.htoh4.weight": torch.stack([w1[u] for u in chosen]),
        f"{experts}.htoh4.bias": torch.stack([b1[u] for u in chosen]),
        f"{experts}.h4toh.weight": torch.stack([w2[:, u] for u in chosen]) * (hidden / width / total),
        f"{experts}.h4toh.bias": (b2 / total).repeat(config.n_experts, 1),
    }


def match_reference(net: M3ViT, path: Path, filled: tuple[str, ...]) -> list[str]:
    """Scale filled experts until the stream is as loud as the one that ships with the weights; what was done.

    Edge-MoE's folder holds the authors' own residual stream after the last layer, for its photo and task 0.
    Experts made of dense layers add up to a stream more than twice as loud, because the experts' biases are
    the file's.
    """
    last = net.config.n_layers - 1
    if not (path / f"l{last}_x_post_moe{SUFFIX}").is_file() or not (path / f"image{SUFFIX}").is_file():
        return []
    reference = read_file(path, f"l{last}_x_post_moe")
    target = float(reference.square().mean().sqrt())
    image, task = photo(path, net.config), net.config.task_names[0]
    matrices = [
        value for name, value in net.named_parameters() if name in filled and name.endswith("h4toh.weight")
    ]
    original = [value.detach().clone() for value in matrices]

    @torch.no_grad()
    def loudness(gain: float) -> float:
        for matrix, value in zip(matrices, original, strict=True):
            matrix.copy_(value * gain)
        return float(net.features(image, task).square().mean().sqrt())

    low, high = 0.0, 1.0
    for _ in range(MATCHING_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if loudness(middle) < target else (low, middle)
    found = loudness((low + high) / 2)
    correlation = float(
        torch.corrcoef(torch.stack((net.features(image, task).detach().ravel(), reference)))[0, 1]
    )
    return [
        f"filled experts scaled by {(low + high) / 2:.3f}: rms of the last stream {found:.2f}, the authors' "
        f"{target:.2f}, correlation {correlation:.2f}"
    ]


def _score_sum(
    tensors: dict[str, Tensor], config: M3ViTConfig, layer: int, generator: torch.Generator
) -> float:
    """Mean over tasks and random tokens of the sum of the top-k scores, in (0, 1]."""
    block = f"backbone.blocks.{layer}"
    noise = F.layer_norm(torch.randn(SAMPLES, config.d_model, generator=generator), (config.d_model,))
    tokens = noise * tensors[f"{block}.norm2.weight"] + tensors[f"{block}.norm2.bias"]
    sums = []
    for task in range(len(config.tasks)):
        if config.gate == "multi_gate":
            logits = tokens @ tensors[f"{block}.mlp.gate.{task}.w_gate"]
        else:
            embedding = _task_embedding(tensors, config, task).expand(SAMPLES, -1)
            logits = torch.cat((tokens, embedding), dim=1) @ tensors[f"{block}.mlp.gate.w_gate"]
        sums.append(logits.softmax(dim=-1).topk(config.top_k, dim=-1).values.sum(dim=-1).mean())
    return float(torch.stack(sums).mean())


def _task_embedding(tensors: dict[str, Tensor], config: M3ViTConfig, task: int) -> Tensor:
    prefix = "backbone.gate_task_represent."
    module = TaskRepresentation(config)
    module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    with torch.no_grad():
        out: Tensor = module(task)
    return out
