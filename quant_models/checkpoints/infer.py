# SPDX-License-Identifier: Apache-2.0
"""The configuration of a checkpoint, from the shapes of its tensors and from what the user adds."""

from __future__ import annotations

import math
import re

from torch import Tensor

from peritus.tasks import TaskKind
from quant_models.checkpoints.errors import ArchitectureError
from quant_models.checkpoints.variant import PIXELS, Hints, normalization
from quant_models.network.config import ConfigError, GateKind, M3ViTConfig, TaskConfig

PUBLISHED_LAYERS = 12
# Patch grids of the public configurations that are no squares: Cityscapes 128 x 256, NYUDv2 480 x 640.
GRIDS = {128: (8, 16), 1200: (30, 40)}
# Kinds of the tasks of the public configurations; `normals` and `edge` have none here.
KINDS: dict[str, TaskKind] = {
    "semseg": "segmentation",
    "human_parts": "segmentation",
    "sal": "segmentation",
    "depth": "depth",
}


def infer_config(tensors: dict[str, Tensor], name: str, hints: Hints, *, dense: bool = False) -> M3ViTConfig:
    """The network that the tensors fit; dense: it has no experts.

    Raises:
        ArchitectureError: no M³ViT, or something that shapes leave open and no hint tells.
    """
    patch = _need(tensors, "backbone.patch_embed.proj.weight", dims=4)
    d, channels, patch_size = patch.shape[0], patch.shape[1], patch.shape[2]
    positions = _need(tensors, "backbone.pos_embed", dims=3)
    prefix = prefix_of(tensors)
    rows, columns = hints.image or (s * patch_size for s in patch_grid(positions.shape[1] - prefix))
    fc1 = _some(tensors, r"backbone\.blocks\.\d+\.mlp\.fc1\.bias")
    n_experts, expert_hidden = 1, 1
    if not dense:
        n_experts, expert_hidden = _some(
            tensors, r"backbone\.blocks\.\d+\.mlp\.experts\.htoh4\.bias", dims=2
        ).shape
    if hints.heads is None:
        raise ArchitectureError(
            f"no tensor says how many attention heads there are (d = {d}; the public code of M³ViT has 3 of "
            "192, 12 of 384 and 12 of 768 channels, DeiT 3, 6 and 12): give --heads, or its "
            "configuration by --yaml"
        )
    if hints.top_k is None and not dense:
        raise ArchitectureError(
            "no tensor says how many experts a token takes (2 in the public code's configurations, 4 in "
            "others): give --top-k, or its configuration by --yaml"
        )
    if hints.pixels is None:
        known = "; ".join(f"{name}: {meaning}" for name, meaning in PIXELS.items())
        raise ArchitectureError(
            f"no tensor says what pixels the network was trained on: give --pixels ({known})"
        )
    mean, deviation = normalization(hints.pixels, channels)
    embedding = tensors.get("backbone.gate_task_represent.fc2.weight")
    try:
        return M3ViTConfig(
            name=name,
            image_height=rows,
            image_width=columns,
            d_model=d,
            n_layers=hints.layers or max(PUBLISHED_LAYERS, layer_count(tensors)),
            n_heads=hints.heads,
            head_dim=d // hints.heads,
            mlp_hidden=len(fc1),
            expert_hidden=expert_hidden,
            n_experts=n_experts,
            top_k=hints.top_k or 1,
            moe_layers=() if dense else _expert_layers(tensors),
            tasks=hints.tasks or _tasks(tensors),
            patch_size=patch_size,
            in_channels=channels,
            gate=gate_kind(tensors),
            task_embedding_dim=64 if embedding is None else embedding.shape[0],
            pixel_mean=mean,
            pixel_std=deviation,
            prefix_tokens=prefix,
        )
    except ConfigError as error:
        raise ArchitectureError(f"the checkpoint's shapes make no M³ViT: {error}") from error


def prefix_of(tensors: dict[str, Tensor]) -> int:
    """Tokens in front of the patches."""
    token = tensors.get("backbone.cls_token")
    return 0 if token is None or token.ndim != 3 else token.shape[1]


def is_grid(patches: int) -> bool:
    """Whether `patch_grid` knows a grid of so many."""
    return patches in GRIDS or (patches > 0 and math.isqrt(patches) ** 2 == patches)


def patch_grid(patches: int) -> tuple[int, int]:
    """Rows and columns of a grid of `patches`: one of the public configurations, or a square.

    Raises:
        ArchitectureError: neither; names the possible grids.
    """
    side = math.isqrt(patches)
    if patches in GRIDS:
        return GRIDS[patches]
    if side * side == patches and patches:
        return side, side
    possible = ", ".join(f"{r} x {patches // r}" for r in range(1, side + 1) if patches % r == 0)
    raise ArchitectureError(
        f"pos_embed has {patches} patches in an unknown grid: give --image, one of {possible} patches"
    )


def gate_kind(tensors: dict[str, Tensor]) -> GateKind:
    """Task-conditioned networks embed the task; all others have a router per task, or one for all."""
    return "task_conditioned" if "backbone.gate_task_represent.fc1.weight" in tensors else "multi_gate"


def decoder_channels(tensors: dict[str, Tensor]) -> dict[str, int | None]:
    """Tasks in the order of the checkpoint's decoders, with the channels of the last convolution if known."""
    found: dict[str, int | None] = {}
    last: dict[str, int] = {}
    for key, value in tensors.items():
        match = re.fullmatch(r"decoders\.(\w+)\.(.+)", key)
        if match is None:
            continue
        found.setdefault(match[1], None)
        convolution = re.fullmatch(r"conv_(\d+)\.weight", match[2])
        if convolution is not None and int(convolution[1]) >= last.get(match[1], 0):
            last[match[1]] = int(convolution[1])
            found[match[1]] = value.shape[0]
        elif match[2] == "head.weight":  # ours: 4 x 4 pixels per token
            found[match[1]] = value.shape[0] // 16
    return found


def _tasks(tensors: dict[str, Tensor]) -> tuple[TaskConfig, ...]:
    """Tasks of the decoders whose kind M3ViTConfig knows."""
    tasks = tuple(
        TaskConfig(name, "depth" if channels == 1 else KINDS[name], channels)  # one channel has no classes
        for name, channels in decoder_channels(tensors).items()
        if name in KINDS and channels is not None
    )
    if not tasks:
        raise ArchitectureError(
            "the checkpoint has no decoders of known tasks: give --config, or --tasks in the routers' order"
        )
    return tasks


def _expert_layers(tensors: dict[str, Tensor]) -> tuple[int, ...] | None:
    """Layers with a router; None if these are among every other one, as published: some may be missing."""
    found = [re.match(r"backbone\.blocks\.(\d+)\.mlp\.gate\.", key) for key in tensors]
    layers = sorted({int(match[1]) for match in found if match})
    return tuple(layers) if any(layer % 2 == 0 for layer in layers) else None


def layer_count(tensors: dict[str, Tensor]) -> int:
    """Index of the last layer, plus one."""
    found = [re.match(r"backbone\.blocks\.(\d+)\.", key) for key in tensors]
    return 1 + max((int(match[1]) for match in found if match), default=-1)


def _need(tensors: dict[str, Tensor], key: str, dims: int) -> Tensor:
    return _some(tensors, re.escape(key), dims)


def _some(tensors: dict[str, Tensor], pattern: str, dims: int = 1) -> Tensor:
    """The first tensor whose name matches."""
    for key, value in tensors.items():
        if re.fullmatch(pattern, key):
            if value.ndim != dims:
                raise ArchitectureError(f"{key} has shape {tuple(value.shape)}, expected {dims} dimensions")
            return value
    name = pattern.replace("\\.", ".").replace("\\d+", "N").replace("\\", "")
    found = ", ".join(list(tensors)[:6])
    raise ArchitectureError(f"no M³ViT: {name} is missing; the checkpoint has {found} ...")
