# SPDX-License-Identifier: Apache-2.0
"""Trained M³ViT-Tiny weights as published with Edge-MoE: raw little-endian float32 tensors in a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from quant_models.config import M3VIT_TINY, ConfigError, M3ViTConfig
from quant_models.init import new_model
from quant_models.model import M3ViT


def read_tensor(folder: Path, name: str, *shape: int) -> Tensor:
    """One tensor file `<name>.float32.bin`.

    Raises:
        ConfigError: the file is missing or has another size than `shape` needs.
    """
    file = folder / f"{name}.float32.bin"
    if not file.is_file():
        raise ConfigError(f"weight file {file} does not exist")
    values = np.fromfile(file, "<f4")
    if values.size != np.prod(shape):
        raise ConfigError(f"weight file {file} holds {values.size} values, expected {np.prod(shape)} {shape}")
    return torch.from_numpy(values.reshape(shape).astype(np.float32))


def first_layer_model(folder: Path) -> M3ViT:
    """M³ViT-Tiny cut after its first, dense block: trained embedding and block, random heads."""
    config = replace(M3VIT_TINY, name="m3vit_tiny_layer0", n_layers=1)
    net = new_model(config)
    d, hidden = config.d_model, config.mlp_hidden
    patch = (config.in_channels, config.patch_size, config.patch_size)
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {
        "patch_embed.proj.weight": ("patch_embed_weight", (d, *patch)),
        "patch_embed.proj.bias": ("patch_embed_bias", (d,)),
        "pos_embed": ("pos_embed", (1, config.n_tokens, d)),
    }
    block = {"norm1": (d,), "attn.qkv": (3 * d, d), "attn.proj": (d, d), "norm2": (d,)}
    for key, shape in {**block, "mlp.fc1": (hidden, d), "mlp.fc2": (d, hidden)}.items():
        file = "l0_" + key.removeprefix("attn.q").removeprefix("mlp.").replace(".", "_")
        file = "l0_qkv" if key == "attn.qkv" else file
        shapes[f"blocks.0.{key}.weight"] = (f"{file}_weight", shape)
        shapes[f"blocks.0.{key}.bias"] = (f"{file}_bias", shape[:1])
    state = {f"backbone.{key}": read_tensor(folder, name, *shape) for key, (name, shape) in shapes.items()}
    state["backbone.cls_token"] = torch.zeros(1, 1, d)  # already contained in row 0 of pos_embed
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(key.startswith("decoders.") for key in missing)
    return net


def photo(folder: Path, config: M3ViTConfig = M3VIT_TINY) -> Tensor:
    """The street photo of the data set, (1, C, H, W), pixels k/256."""
    return read_tensor(folder, "image", 1, config.in_channels, config.image_height, config.image_width)


def transformed_copies(image: Tensor, seed: int = 0) -> Tensor:
    """Five variations of a photo (1, C, H, W), to calibrate on where the photo itself is for the test."""
    generator = torch.Generator().manual_seed(seed)
    noise = 0.03 * torch.randn(image.shape, generator=generator)
    copies = torch.cat(
        (
            image.flip(-1),
            image.roll((8, -24), (-2, -1)),
            image * 0.8,
            image * 1.2 + 0.02,
            image + noise,
        )
    )
    return (copies * 256).round().clamp(0, 255) / 256
