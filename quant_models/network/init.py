# SPDX-License-Identifier: Apache-2.0
"""Deterministic initialization and procedural images: untrained networks that are not degenerate.

Every linear layer keeps unit variance (std = 1 / sqrt(fan in)), norms spread around 1 as trained ones do, and
routers are sharp enough to have opinions, so that experts are chosen unevenly and maps follow the image.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from quant_models.network.config import M3ViTConfig
from quant_models.network.model import Backbone, M3ViT
from quant_models.network.moe import ExpertLinear, Gate, MoeMlp

ROUTER_GAIN = 2.0  # std of router logits
ATTENTION_GAIN = 1.5  # on q and k: peaked attention
HEAD_GAIN = 1.0
BRANCH_GAIN = 0.5  # what a block adds, relative to the residual stream
NORM_SPREAD = 0.2
SUBPIXEL_SPREAD = 0.3  # how much the 4x4 outputs of one token differ
ADAPTATION_IMAGES = 4
START_HEAD_GAIN = 0.1


def new_model(config: M3ViTConfig, seed: int = 0) -> M3ViT:
    """An untrained network in evaluation mode; equal seeds give equal weights."""
    net = M3ViT(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, module in net.named_modules():
            _initialize(net, name, module, generator)
        _initialize_positions(net.backbone, config, generator)
        _adapt_to_images(net, procedural_images(config, ADAPTATION_IMAGES, seed))
    net.provenance = f"untrained, seed {seed}"
    return net


def training_start(config: M3ViTConfig, seed: int = 0) -> M3ViT:
    """A network to train from: unit-variance layers, plain norms, branches that add up to the stream's size.

    Routers begin with a spread of 1, so that no expert is shut out before it has learned anything.
    """
    net = M3ViT(config)
    generator = torch.Generator().manual_seed(seed)
    branch = 1 / math.sqrt(2 * config.n_layers)
    with torch.no_grad():
        for name, module in net.named_modules():
            if isinstance(module, Gate):
                _normal(module.w_gate, 1 / math.sqrt(module.w_gate.shape[0]), generator)
            elif isinstance(module, nn.Conv2d | nn.Linear | ExpertLinear):
                assert module.bias is not None
                gain = branch if name.endswith(("attn.proj", "fc2", "h4toh")) else 1.0
                gain = START_HEAD_GAIN if name.endswith(".head") else gain
                inputs = (
                    module.weight[0].numel() if isinstance(module, nn.Conv2d) else module.weight.shape[-1]
                )
                _normal(module.weight, gain / math.sqrt(inputs), generator)
                module.bias.zero_()
        _initialize_positions(net.backbone, config, generator)
    return net


def _normal(parameter: Tensor, std: float, generator: torch.Generator, mean: float = 0.0) -> None:
    parameter.copy_(torch.randn(parameter.shape, generator=generator) * std + mean)


def _initialize(net: M3ViT, name: str, module: nn.Module, generator: torch.Generator) -> None:
    config = net.config
    if isinstance(module, Gate):
        _normal(module.w_gate, ROUTER_GAIN / math.sqrt(config.d_model), generator)
    elif isinstance(module, nn.LayerNorm):
        _normal(module.weight, NORM_SPREAD, generator, mean=1.0)
        _normal(module.bias, NORM_SPREAD, generator)
    elif isinstance(module, nn.Conv2d):
        # Pixels of an image vary by about a quarter of their range.
        _normal(module.weight, 4 / math.sqrt(module.weight[0].numel()), generator)
        assert module.bias is not None
        _normal(module.bias, 0.1, generator)
    elif isinstance(module, nn.Linear | ExpertLinear):
        gain = BRANCH_GAIN if name.endswith(("attn.proj", "fc2", "h4toh")) else 1.0
        _normal(module.weight, gain / math.sqrt(module.weight.shape[-1]), generator)
        _normal(module.bias, 0.1, generator)
        if name.endswith("qkv"):
            module.weight[: 2 * config.d_model] *= ATTENTION_GAIN
        if name.endswith(".head"):  # the pixels of one token see nearly the same
            upscale = net.decoder(name.split(".")[1]).shape.upscale
            pixels = module.weight.view(upscale**2, -1, config.d_model)
            pixels.copy_(pixels[0] + SUBPIXEL_SPREAD * pixels)


def _initialize_positions(backbone: Backbone, config: M3ViTConfig, generator: torch.Generator) -> None:
    """Sines and cosines of row and column (the fixed 2-D embedding of MoCo v3) at half amplitude."""
    rows, columns = config.grid
    quarter = -(-config.d_model // 4)
    omega = 100.0 ** (-torch.arange(quarter) / quarter)
    y = torch.arange(rows).repeat_interleave(columns)[:, None] * omega
    x = torch.arange(columns).repeat(rows)[:, None] * omega
    waves = torch.cat((y.sin(), y.cos(), x.sin(), x.cos()), dim=1)[:, : config.d_model]
    backbone.pos_embed[0, config.prefix_tokens :] = waves / 2
    _normal(backbone.pos_embed[0, : config.prefix_tokens], 0.02, generator)
    if backbone.cls_token is not None:
        _normal(backbone.cls_token, 0.5, generator)


def _adapt_to_images(net: M3ViT, images: Tensor) -> None:
    """Make routers and heads blind to what all tokens have in common, and equally loud in what is left.

    Tokens of an untrained network share a large mean, with which a random router sends all of them to the
    same few experts, and a random head sees one class. Both lose their component along the mean token.
    """
    backbone = net.backbone
    tasks = range(len(net.config.tasks))
    streams = [backbone.embed(images) for _ in tasks]
    for block in backbone.layers:
        if isinstance(block.mlp, MoeMlp):
            tokens = [block.norm2(x + block.attn(block.norm1(x))).flatten(0, 1) for x in streams]
            gates = block.mlp.gate
            if isinstance(gates, nn.ModuleList):
                for gate, x in zip(gates, tokens, strict=True):
                    assert isinstance(gate, Gate)
                    _center(gate.w_gate.T, x, ROUTER_GAIN)
            else:
                assert isinstance(gates, Gate)
                _center(gates.w_gate[: net.config.d_model].T, torch.cat(tokens), ROUTER_GAIN)
        streams = [
            block(x, task, backbone.task_embedding(task)) for task, x in zip(tasks, streams, strict=True)
        ]
    for task, x in zip(net.config.tasks, streams, strict=True):
        if task.host:
            continue
        decoder = net.decoder(task.name)
        _center(decoder.head.weight, decoder.norm(decoder.shape.tokens(x)).flatten(0, 1), HEAD_GAIN)


def _center(weight: Tensor, tokens: Tensor, gain: float) -> None:
    """Make the outputs of `weight` (out, d) have mean 0 and standard deviation `gain` on `tokens` (n, d)."""
    mean = tokens.mean(dim=0)
    weight -= torch.outer(weight @ mean, mean) / mean.square().sum()
    weight *= gain / (tokens @ weight.T).std(dim=0)[:, None]


def procedural_images(config: M3ViTConfig, count: int, seed: int = 0) -> Tensor:
    """Street-like pictures for calibration without data: gradient sky, ground, boxes, stripes, noise.

    Returns (count, in_channels, H, W) float with values k/256, k in 0..255.
    """
    generator = torch.Generator().manual_seed(seed)
    height, width, channels = config.image_height, config.image_width, config.in_channels

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator)

    y = torch.linspace(0, 1, height)[:, None]
    x = torch.linspace(0, 1, width)[None, :]
    images = []
    for _ in range(count):
        horizon = uniform(0.3, 0.6)
        sky, ground = uniform(0.4, 1.0, channels, 1, 1), uniform(0.1, 0.6, channels, 1, 1)
        image = (
            torch.where(y < horizon, sky * (1 - 0.5 * y), ground * (0.5 + 0.5 * y))
            .expand(-1, -1, width)
            .clone()
        )
        for _ in range(12):
            top, left, tall, wide = (float(v) for v in uniform(0, 1, 4))
            inside = (y >= top) & (y < top + 0.5 * tall) & (x >= left) & (x < left + 0.3 * wide)
            stripes = 0.15 * torch.sin(2 * math.pi * (uniform(0, 40) * x + uniform(0, 40) * y))
            image = torch.where(inside, uniform(0, 1, channels, 1, 1) + stripes, image)
        image = image + 0.03 * torch.randn(image.shape, generator=generator)
        images.append((image * 256).floor().clamp(0, 255) / 256)
    return torch.stack(images)
