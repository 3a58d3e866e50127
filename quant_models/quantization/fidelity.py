# SPDX-License-Identifier: Apache-2.0
"""How close an integer model is to the network that it was made of, layer by layer, and what could be
better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from peritus.ir import IMAGE, QuantModel, execute, real_map
from peritus.ir.ops import Linear
from peritus.ir.types import Kind
from peritus.reference import Routing
from quant_models.network.model import M3ViT
from quant_models.network.moe import MoeMlp
from quant_models.network.noise import snr_db
from quant_models.quantization.quantize import to_uint8

FEW_IMAGES = 16  # ranges of fewer clip what other images hold
DARK, FLAT = 8 / 256, 2 / 256  # mean and deviation of pixels, of a picture that shows nothing
NARROW = 0.5  # of the pixel range


@dataclass(frozen=True)
class Layer:
    """The residual stream after one block, over all images and tasks.

    snr_db: integer against float. routing: share of tokens whose experts are the same ones; choices: of all
    top-k choices, those that the float network makes too; None without experts.
    clipped: largest share of int8 values of one activation that lie at the ends of the range. dead: channels
    of activations that are 0 on every image.
    """

    block: int
    snr_db: float
    routing: float | None
    choices: float | None
    clipped: float
    dead: int


def calibration_warnings(images: Tensor) -> list[str]:
    """What is wrong with images to calibrate on, (B, C, H, W) with pixels k/256; empty if nothing is."""
    found = []
    if len(images) < FEW_IMAGES:
        found.append(
            f"{len(images)} calibration images: activations on others clip where these stay small; take "
            f"{FEW_IMAGES} or more"
        )
    pixels = images.flatten(1)
    empty = int(((pixels.mean(dim=1) < DARK) | (pixels.std(dim=1) < FLAT)).sum())
    if empty:
        found.append(f"{empty} of {len(images)} calibration images are black or of one colour")
    distinct = len(torch.unique(pixels, dim=0))
    if distinct < len(images):
        found.append(f"only {distinct} of {len(images)} calibration images differ")
    spread = float(images.max() - images.min())
    if spread < NARROW:
        found.append(f"calibration pixels span {spread * 256:.0f} of 256 levels")
    return found


@torch.no_grad()
def compare(
    net: M3ViT,
    model: QuantModel,
    images: Tensor,
    progress: Callable[[int], None] = lambda _: None,
    tasks: Sequence[str] | None = None,
) -> tuple[list[Layer], dict[str, float]]:
    """Run both on images (B, C, H, W); every block, and the SNR in dB of every task's map.

    Args:
        progress: called with the number of finished runs, of tasks * images. tasks: by name; None: all.
    """
    blocks = net.backbone.layers
    streams: list[list[tuple[Tensor, Tensor]]] = [[] for _ in blocks]
    agreement: list[list[npt.NDArray[np.float64]]] = [[] for _ in blocks]
    clipped, dead = [0.0] * len(blocks), [0] * len(blocks)
    alive: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]] = {}
    maps: dict[str, list[tuple[Tensor, Tensor]]] = {}
    seen: dict[int, Tensor] = {}
    hooks = [
        block.register_forward_hook(lambda _m, _x, y, i=i: seen.__setitem__(i, y))
        for i, block in enumerate(blocks)
    ]
    graph = model.graph
    zero_points = {node.name: node.zero_point for node in graph.nodes if isinstance(node, Linear)}
    last = {
        _block(node.name): node.name for node in graph.nodes if graph.types[node.name].kind is Kind.RESIDUAL
    }
    tail = model.tail.open() if model.tail else None
    finished = 0
    try:
        for task in (task for task in graph.tasks if tasks is None or task.name in tasks):
            for image in images:
                logits = net(image[None], task.name)[0]
                result = execute(graph, to_uint8(image[None])[0], task.name, keep_values=True)
                found = torch.from_numpy(real_map(graph, task.name, result, tail)).permute(2, 0, 1)
                maps.setdefault(task.name, []).append((logits, found.to(logits.dtype)))
                for i, block in enumerate(blocks):
                    value = result.values[last[i]]
                    assert isinstance(value, np.ndarray)
                    streams[i].append((seen[i][0], torch.from_numpy(value * graph.residual_scale).float()))
                    if isinstance(block.mlp, MoeMlp):
                        routing = result.values[f"blocks.{i}.mlp.router"]
                        assert isinstance(routing, Routing)
                        agreement[i].append(_same_experts(block.mlp.decisions[0].indices, routing))
                for name, value in result.values.items():
                    if name == IMAGE or graph.types[name].kind is not Kind.ACTIVATION:
                        continue
                    assert isinstance(value, np.ndarray)
                    i = _block(name)
                    if i >= 0:
                        share = float(np.mean((value >= 127) | (value <= -128)))
                        clipped[i] = max(clipped[i], share)
                        moved = (value != zero_points.get(name, 0)).any(axis=0)
                        alive[name] = alive.get(name, np.zeros(value.shape[1], bool)) | moved
                finished += 1
                progress(finished)
    finally:
        for hook in hooks:
            hook.remove()
    for name, channels in alive.items():
        dead[_block(name)] += int((~channels).sum())
    layers = [
        Layer(
            i,
            _snr(streams[i]),
            float(np.mean(np.concatenate(agreement[i]) == 1)) if agreement[i] else None,
            float(np.mean(np.concatenate(agreement[i]))) if agreement[i] else None,
            clipped[i],
            dead[i],
        )
        for i in range(len(blocks))
    ]
    return layers, {name: _snr(pairs) for name, pairs in maps.items()}


def _snr(pairs: list[tuple[Tensor, Tensor]]) -> float:
    return snr_db(torch.stack([a for a, _ in pairs]), torch.stack([b for _, b in pairs]))


def _block(name: str) -> int:
    """The block that a node of the integer graph belongs to; -1: none."""
    parts = name.split(".")
    return int(parts[1]) if parts[0] == "blocks" else -1


def _same_experts(indices: Tensor, routing: Routing) -> npt.NDArray[np.float64]:
    """Of each token, the share of its experts that are the float network's, too."""
    same = indices.numpy()[:, :, None] == routing.experts[:, None, :]
    shares: npt.NDArray[np.float64] = same.any(axis=1).mean(axis=1)
    return shares
