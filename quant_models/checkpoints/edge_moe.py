# SPDX-License-Identifier: Apache-2.0
"""Weights as published with Edge-MoE (sharc-lab/Edge-MoE): a folder of raw little-endian float32 tensors.

A file is `<tensor>.float32.bin`, in layer N `lN_<tensor>.float32.bin`; shapes are not stored. They follow
from each other: d from a LayerNorm, the number of experts from a gate, all others from these. `pos_embed`
has the class token in row 0 already. Gates are transposed: `lN_w_gate_T_taskM` is (experts, d).
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from peritus.schema import file_fault
from quant_models.checkpoints.errors import ArchitectureError, CheckpointError
from quant_models.network.config import M3VIT_TINY, M3ViTConfig

SUFFIX = ".float32.bin"
CHANNELS = 3


def read_file(folder: Path, name: str) -> Tensor:
    """All values of `<name>.float32.bin`, float32 (n,).

    Raises:
        CheckpointError: the file is missing or no whole number of float32 values.
    """
    file = folder / f"{name}{SUFFIX}"
    if fault := file_fault(file):
        raise CheckpointError(f"weight file {file} {fault}")
    size = file.stat().st_size
    if size == 0 or size % 4:
        raise CheckpointError(f"weight file {file} has {size} bytes, expected a multiple of 4")
    return torch.from_numpy(np.fromfile(file, "<f4").astype(np.float32))


def read_folder(folder: Path) -> dict[str, Tensor]:
    """Every tensor by its name in the public M³ViT code; files that are no weights by their own name.

    Raises:
        CheckpointError: a damaged file.
        ArchitectureError: a file whose size fits no shape.
    """
    names = sorted(path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}"))
    files = {name: read_file(folder, name) for name in names}
    norms = [name for name in names if re.fullmatch(r"l\d+_norm[12]_(weight|bias)", name)]
    if not norms:
        raise ArchitectureError(f"{folder} has no lN_norm1_weight{SUFFIX}, from which the width follows")
    d = files[norms[0]].numel()
    gates = [name for name in names if re.fullmatch(r"l\d+_w_gate_T_task\d+", name)]
    experts = max(1, files[gates[0]].numel() // d) if gates else 1
    shapes = _layer_shapes(d, experts)
    tensors: dict[str, Tensor] = {}
    for name in names:
        layer, _, tensor = name.partition("_")
        key = name
        shape: tuple[int, ...] = (-1,)
        if re.fullmatch(r"l\d+", layer) and tensor in shapes:
            key, shape = shapes[tensor]
            key = f"backbone.blocks.{layer[1:]}.{key}"
        elif name in gates:
            key, shape = f"backbone.blocks.{layer[1:]}.mlp.gate.{name.rpartition('task')[2]}.w_gate", (-1, d)
        elif name == "patch_embed_weight":
            side = math.isqrt(files[name].numel() // (d * CHANNELS))
            key, shape = "backbone.patch_embed.proj.weight", (d, CHANNELS, side, side)
        elif name == "patch_embed_bias":
            key, shape = "backbone.patch_embed.proj.bias", (d,)
        elif name == "pos_embed":
            key, shape = "backbone.pos_embed", (1, -1, d)
            tensors["backbone.cls_token"] = torch.zeros(1, 1, d)
        values = _shaped(folder, name, files[name], shape)
        tensors[key] = values.T.contiguous() if name in gates else values
    return tensors


def _layer_shapes(d: int, experts: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name and shape of each tensor of a layer; -1 is the length that the file's size decides."""
    weights: dict[str, tuple[str, tuple[int, ...], tuple[int, ...]]] = {
        "norm1": ("norm1", (d,), (d,)),
        "norm2": ("norm2", (d,), (d,)),
        "qkv": ("attn.qkv", (3 * d, d), (3 * d,)),
        "attn_proj": ("attn.proj", (d, d), (d,)),
        "fc1": ("mlp.fc1", (-1, d), (-1,)),
        "fc2": ("mlp.fc2", (d, -1), (d,)),
        "htoh4": ("mlp.experts.htoh4", (experts, -1, d), (experts, -1)),
        "h4toh": ("mlp.experts.h4toh", (experts, d, -1), (experts, d)),
    }
    shapes = {f"{name}_weight": (f"{key}.weight", weight) for name, (key, weight, _) in weights.items()}
    return shapes | {f"{name}_bias": (f"{key}.bias", bias) for name, (key, _, bias) in weights.items()}


def _shaped(folder: Path, name: str, values: Tensor, shape: tuple[int, ...]) -> Tensor:
    known = math.prod(length for length in shape if length != -1)
    fits = values.numel() % known == 0 if -1 in shape else values.numel() == known
    if not fits:
        raise ArchitectureError(
            f"weight file {folder / name}{SUFFIX} holds {values.numel()} values, expected {shape}"
        )
    return values.reshape(shape)


def photo(folder: Path, config: M3ViTConfig = M3VIT_TINY) -> Tensor:
    """The street photo of the release, (1, C, H, W), pixels k/256.

    Raises:
        CheckpointError: missing or of another size.
    """
    values = read_file(folder, "image")
    shape = (1, config.in_channels, config.image_height, config.image_width)
    if values.numel() != math.prod(shape):
        raise CheckpointError(
            f"photo {folder / 'image'}{SUFFIX} holds {values.numel()} values, expected {shape}"
        )
    return values.reshape(shape)


def transformed_copies(image: Tensor, seed: int = 0) -> Tensor:
    """Five variations of a photo (1, C, H, W), to calibrate on where the photo itself is for the test."""
    generator = torch.Generator().manual_seed(seed)
    noise = 0.03 * torch.randn(image.shape, generator=generator)
    copies = (image.flip(-1), image.roll((8, -24), (-2, -1)), image * 0.8, image * 1.2 + 0.02, image + noise)
    return (torch.cat(copies) * 256).round().clamp(0, 255) / 256
