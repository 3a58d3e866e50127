# SPDX-License-Identifier: Apache-2.0
"""M³ViT fake-quantized in Brevitas: every tensor that the accelerator stores is rounded to its grid.

Built from a float network by `fold`, exported by `export`. Its graph is the grammar that
`peritus.frontends.qonnx` lowers. Module names follow the float network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from peritus.frontends.moe_format import DOMAIN, VERSION
from peritus.frontends.task_format import TASK
from peritus.ir.formats import GELU_SCALE, PIXEL_SCALE, PROBABILITY_SCALE, SCORE_SCALE
from quant_models.network.activation import ACTIVATIONS
from quant_models.network.config import ConfigError, M3ViTConfig, TaskConfig
from quant_models.network.layers import HeadShape, depth_to_space
from quant_models.quantization.fake_quant_moe import QuantMoeMlp
from quant_models.quantization.quantizers import (
    WEIGHT_QUANTIZERS,
    grid,
    int8,
    int8_hidden,
    quant_conv,
    quant_linear,
)

# Of an operator in an exported graph, as PyTorch takes them.
Attributes = dict[
    str, int | float | str | bool | Sequence[int] | Sequence[float] | Sequence[str] | Sequence[bool]
]


class QuantAttention(nn.Module):
    """Attention with int8 Q, K, V, 16-bit scores in octaves and unnormalized 8-bit probabilities.

    score_factor (heads, 1, 1): s_q s_k log2(e) / sqrt(head_dim).
    value_factor (heads, 1, head_dim): s_v / s_out.
    """

    score_factor: Tensor
    value_factor: Tensor

    def __init__(self, config: M3ViTConfig, residual_scale: float) -> None:
        super().__init__()
        heads, width = config.n_heads, config.head_dim
        self.heads, self.width = heads, width
        self.qkv = quant_linear(config.d_model, 3 * config.d_model)
        self.register_buffer("score_factor", torch.full((heads, 1, 1), math.log2(math.e) / math.sqrt(width)))
        self.register_buffer("value_factor", torch.ones(heads, 1, width))
        self.q_quant, self.k_quant, self.v_quant = int8(), int8(), int8()
        self.score_quant = grid(16, SCORE_SCALE)
        self.probability_quant = grid(8, PROBABILITY_SCALE, signed=False)
        self.out_quant = int8()
        self.proj = quant_linear(config.d_model, config.d_model)
        self.contribution_quant = grid(16, residual_scale)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, self.width).permute(2, 0, 3, 1, 4)
        q, k, v = self.q_quant(qkv[0]), self.k_quant(qkv[1]), self.v_quant(qkv[2])
        scores = self.score_quant(q @ k.transpose(-2, -1) * self.score_factor)
        p = self.probability_quant(torch.pow(2.0, scores - scores.amax(dim=-1, keepdim=True)))
        mixed = self.out_quant(p @ v / p.sum(dim=-1, keepdim=True) * self.value_factor)
        out: Tensor = self.contribution_quant(self.proj(mixed.transpose(1, 2).flatten(2)))
        return out


class QuantMlp(nn.Module):
    """Dense MLP: Q.8 around the activation; int8 hidden values by hidden_factor (hidden,) = 1 / s_hidden."""

    hidden_factor: Tensor

    def __init__(self, config: M3ViTConfig, residual_scale: float) -> None:
        super().__init__()
        self.fc1 = quant_linear(config.d_model, config.mlp_hidden)
        self.activation = ACTIVATIONS[config.activation]
        self.pre_quant, self.activation_quant = grid(16, GELU_SCALE), grid(16, GELU_SCALE)
        self.register_buffer("hidden_factor", torch.ones(config.mlp_hidden))
        self.hidden_quant = int8_hidden()
        self.fc2 = quant_linear(config.mlp_hidden, config.d_model)
        self.contribution_quant = grid(16, residual_scale)

    def forward(self, x: Tensor) -> Tensor:
        g = self.activation_quant(self.activation(self.pre_quant(self.fc1(x))))
        out: Tensor = self.contribution_quant(self.fc2(self.hidden_quant(g * self.hidden_factor)))
        return out


class QuantBlock(nn.Module):
    """Pre-norm block on a 16-bit residual stream; the norms' weights hold gamma / s, beta / s."""

    def __init__(self, config: M3ViTConfig, layer: int, residual_scale: float, expert_bits: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.d_model, eps=config.layer_norm_eps)
        self.norm1_quant = int8()
        self.attn = QuantAttention(config, residual_scale)
        self.attn_residual_quant = grid(16, residual_scale)
        self.norm2 = nn.LayerNorm(config.d_model, eps=config.layer_norm_eps)
        self.norm2_quant = int8()
        self.mlp: QuantMlp | QuantMoeMlp = (
            QuantMoeMlp(config, residual_scale, expert_bits)
            if config.is_moe(layer)
            else QuantMlp(config, residual_scale)
        )
        self.mlp_residual_quant = grid(16, residual_scale)

    def attend(self, x: Tensor) -> Tensor:
        """The block's first half, which no task changes."""
        out: Tensor = self.attn_residual_quant(x + self.attn(self.norm1_quant(self.norm1(x))))
        return out

    def forward(self, x: Tensor, task: Tensor) -> Tensor:
        x = self.attend(x)
        y = self.norm2_quant(self.norm2(x))
        z = self.mlp(y, task) if isinstance(self.mlp, QuantMoeMlp) else self.mlp(y)
        out: Tensor = self.mlp_residual_quant(x + z)
        return out


class QuantBackbone(nn.Module):
    """Images to the residual stream; `position` (1, tokens, d) contains the prefix."""

    def __init__(self, config: M3ViTConfig, residual_scale: float, expert_bits: int) -> None:
        super().__init__()
        self.prefix = config.prefix_tokens
        self.pixel_quant = grid(8, PIXEL_SCALE, signed=False)
        self.patch_embed = quant_conv(config.in_channels, config.d_model, config.patch_size)
        self.patch_quant = grid(16, residual_scale)
        self.position = nn.Parameter(torch.zeros(1, config.n_tokens, config.d_model))
        self.position_quant = grid(16, residual_scale)
        self.embed_quant = grid(16, residual_scale)
        self.blocks = nn.ModuleList(
            QuantBlock(config, i, residual_scale, expert_bits) for i in range(config.n_layers)
        )

    @property
    def layers(self) -> list[QuantBlock]:
        """The blocks, with their type."""
        return [block for block in self.blocks if isinstance(block, QuantBlock)]

    def embed(self, images: Tensor) -> Tensor:
        """The residual stream (B, tokens, d_model) before the first block."""
        patches = self.patch_embed(self.pixel_quant(images)).flatten(2).transpose(1, 2)
        tokens = self.patch_quant(patches)
        if self.prefix:  # the class token is its position alone
            tokens = F.pad(tokens, (0, 0, self.prefix, 0))
        x: Tensor = self.embed_quant(tokens + self.position_quant(self.position))
        return x

    def forward(self, images: Tensor, task: Tensor) -> Tensor:
        x = self.embed(images)
        for block in self.layers:
            x = block(x, task)
        return x


class QuantDecoder(nn.Module):
    """Task head on its part of the shared normalized tokens: 16-bit logits, pixel-shuffled."""

    def __init__(self, config: M3ViTConfig, task: TaskConfig, scale: float) -> None:
        super().__init__()
        self.shape = HeadShape.of(config, task)
        self.head = quant_linear(config.d_model, self.shape.upscale**2 * task.channels)
        self.logit_quant = grid(16, scale)

    def forward(self, tokens: Tensor) -> Tensor:
        logits = self.logit_quant(self.head(self.shape.tokens(tokens)))
        return depth_to_space(logits, self.shape.grid, self.shape.upscale)


class QuantM3ViT(nn.Module):
    """The quantized network as one graph for all tasks.

    The task selects the routers; every head is evaluated on the resulting features, and only the head of the
    selected task is meaningful. The decoders' own norm affines are folded into their heads: one norm serves
    all. Weights have 8 bits, those of the experts `expert_bits` (8 or 4).

    Args of `forward`:
        images: (B, C, H, W) float, pixels k/256.
        task: int64 scalar, index into the configuration's tasks.
    Returns:
        features (B, tokens, d_model) on the residual grid, then one map (B, channels, H/4, W/4) per task; the
        features again in place of the map of a task of the host.
    """

    def __init__(
        self,
        config: M3ViTConfig,
        residual_scale: float,
        head_scales: dict[str, float],
        expert_bits: int = 8,
    ) -> None:
        super().__init__()
        if expert_bits not in WEIGHT_QUANTIZERS:
            raise ConfigError(f"expert_bits = {expert_bits}, must be 8 or 4")
        self.config = config
        self.expert_bits = expert_bits
        self.residual_scale = residual_scale
        self.backbone = QuantBackbone(config, residual_scale, expert_bits)
        if config.device_tasks:
            self.final_norm = nn.LayerNorm(config.d_model, eps=config.layer_norm_eps)
            self.final_quant = int8()
        self.decoders = nn.ModuleDict(
            {task.name: QuantDecoder(config, task, head_scales[task.name]) for task in config.device_tasks}
        )

    def decoder(self, task: str) -> QuantDecoder:
        """The head of a task of the configuration."""
        decoder = self.decoders[task]
        assert isinstance(decoder, QuantDecoder)
        return decoder

    def forward(self, images: Tensor, task: Tensor) -> tuple[Tensor, ...]:
        features = self.backbone(images, task)
        tokens = self.final_quant(self.final_norm(features)) if self.config.device_tasks else features
        maps = (features if task.host else self.decoder(task.name)(tokens) for task in self.config.tasks)
        return (features, *(self._named(index, out) for index, out in enumerate(maps)))

    def _named(self, index: int, out: Tensor) -> Tensor:
        """A task's map; in an exported graph, with the task that it belongs to."""
        if not torch.compiler.is_exporting():
            return out
        task = self.config.tasks[index]
        attributes: Attributes = {
            "index": index,
            "name": task.name,
            "kind": task.kind,
        }
        if task.classes:
            attributes["classes"] = task.classes
        if task.host:
            attributes["host"] = (*task.host, task.channels)
        named: Tensor = torch.onnx.ops.symbolic(
            f"{DOMAIN}::{TASK}",
            (out,),
            attributes,
            dtype=out.dtype,
            shape=out.shape,
            version=VERSION,
        )
        return named
