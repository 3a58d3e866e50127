# SPDX-License-Identifier: Apache-2.0
"""Dense layers of the float M³ViT. Attribute names give the state-dict keys of the public M³ViT code."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quant_models.network.activation import ACTIVATIONS
from quant_models.network.config import ConfigError, M3ViTConfig, TaskConfig


class PatchEmbed(nn.Module):
    """Non-overlapping patches to tokens: images (B, C, H, W) -> (B, patches, d_model), patches row by row."""

    def __init__(self, config: M3ViTConfig) -> None:
        super().__init__()
        self.expected = (config.in_channels, config.image_height, config.image_width)
        size = config.patch_size
        self.proj = nn.Conv2d(config.in_channels, config.d_model, kernel_size=size, stride=size)

    def forward(self, images: Tensor) -> Tensor:
        if images.ndim != 4 or tuple(images.shape[1:]) != self.expected:
            raise ConfigError(f"images have shape {tuple(images.shape)}, expected (batch, {self.expected})")
        tokens: Tensor = self.proj(images)
        return tokens.flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention, (B, N, d) -> (B, N, d); rows of `qkv`: q, then k, then v, heads within."""

    def __init__(self, config: M3ViTConfig) -> None:
        super().__init__()
        self.n_heads, self.head_dim = config.n_heads, config.head_dim
        self.qkv = nn.Linear(config.d_model, 3 * config.d_model)
        self.proj = nn.Linear(config.d_model, config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.n_heads, self.head_dim)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return out


class Mlp(nn.Module):
    """fc2(activation(fc1 x)), (B, N, d) -> (B, N, d)."""

    def __init__(self, config: M3ViTConfig) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.activation]
        self.fc1 = nn.Linear(config.d_model, config.mlp_hidden)
        self.fc2 = nn.Linear(config.mlp_hidden, config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(self.activation(self.fc1(x)))
        return out


def depth_to_space(tokens: Tensor, grid: tuple[int, int], upscale: int) -> Tensor:
    """Pixel shuffle of patch tokens.

    Args:
        tokens: (B, rows * columns, upscale * upscale * C), channels in (sy, sx, c) order.
        grid: patch rows and columns.
    Returns:
        (B, C, rows * upscale, columns * upscale).
    """
    batch, rows, columns = tokens.shape[0], *grid
    blocks = tokens.reshape(batch, rows, columns, upscale, upscale, -1)
    return blocks.permute(0, 5, 1, 3, 2, 4).reshape(batch, -1, rows * upscale, columns * upscale)


@dataclass(frozen=True)
class HeadShape:
    """What a task's head reads and makes: the patches, or the class token alone, as a map of one pixel.

    prefix: tokens in front of the patches.
    """

    grid: tuple[int, int]
    upscale: int
    classifies: bool
    prefix: int

    @classmethod
    def of(cls, config: M3ViTConfig, task: TaskConfig) -> HeadShape:
        if task.kind == "classification":
            return cls((1, 1), 1, True, config.prefix_tokens)
        return cls(config.grid, config.head_upscale, False, config.prefix_tokens)

    def tokens(self, x: Tensor) -> Tensor:
        """The tokens that the head reads, of (B, N, d)."""
        if self.classifies:
            return x[:, :1]
        return x[:, self.prefix :] if self.prefix else x


class Decoder(nn.Module):
    """Task head: LayerNorm, d -> s*s*C logits per token, pixel shuffle to (B, C, H*s/p, W*s/p) or (B, C, 1,
    1)."""

    def __init__(self, config: M3ViTConfig, task: TaskConfig) -> None:
        super().__init__()
        self.shape = HeadShape.of(config, task)
        self.norm = nn.LayerNorm(config.d_model, eps=config.layer_norm_eps)
        self.head = nn.Linear(config.d_model, self.shape.upscale**2 * task.channels)

    def forward(self, features: Tensor) -> Tensor:
        logits = self.head(self.norm(self.shape.tokens(features)))
        return depth_to_space(logits, self.shape.grid, self.shape.upscale)


def normalize_pixels(images: Tensor, config: M3ViTConfig) -> Tensor:
    """(pixel - mean) / std per channel; pixels are k/256."""
    mean = torch.tensor(config.pixel_mean, dtype=images.dtype, device=images.device).view(1, -1, 1, 1)
    std = torch.tensor(config.pixel_std, dtype=images.dtype, device=images.device).view(1, -1, 1, 1)
    return (images - mean) / std
