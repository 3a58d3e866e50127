# SPDX-License-Identifier: Apache-2.0
"""Float M³ViT + calibration images -> Brevitas twin, with all per-channel activation scales folded in.

A scale vector s between a producer and its readers becomes W diag(s) in the readers and 1 / s in the
producer: in LayerNorm's gamma and beta, the rows of Q, K and V, the factors behind GELU and behind P V.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from quant_models.layers import Mlp
from quant_models.model import Block, M3ViT
from quant_models.moe import Gate, MoeMlp
from quant_models.observe import MIN_EXPERT_TOKENS, Observer
from quant_models.scales import (
    ChannelScales,
    channel_range,
    scales_for,
    search_query_key_scales,
    search_scales,
)
from quant_models.twin import QuantBlock, QuantM3ViT, QuantMlp
from quant_models.twin_moe import QuantMoeMlp

RESIDUAL_HEADROOM = 1.25
LOGIT_HEADROOM = 1.25
INT16_MAX = 32767

ScaleReport = dict[str, ChannelScales]  # tensor name -> what was chosen


def power_of_two_scale(largest: float) -> float:
    """The smallest power of two s with largest <= 32767 s."""
    return 2.0 ** math.ceil(math.log2(max(largest, 1e-6) / INT16_MAX))


@torch.no_grad()
def build_twin(net: M3ViT, images: Tensor) -> tuple[QuantM3ViT, ScaleReport]:
    """Calibrate `net` on `images` (B, C, H, W; pixels k/256) and build its twin, in evaluation mode."""
    seen = Observer(net, images)
    heads = {
        task: float(seen.outputs[f"decoders.{task}.head"].abs().max()) * LOGIT_HEADROOM / INT16_MAX
        for task in net.config.task_names
    }
    twin = QuantM3ViT(net.config, power_of_two_scale(seen.residual_max * RESIDUAL_HEADROOM), heads).eval()
    report: ScaleReport = {}
    _fold_embedding(net, twin)
    for layer, (block, quant) in enumerate(zip(net.backbone.layers, twin.backbone.layers, strict=True)):
        path = f"backbone.blocks.{layer}"
        _fold_attention(block, quant, seen, path, report)
        if isinstance(block.mlp, MoeMlp):
            _fold_moe(net, block, quant, seen, path, report)
        else:
            _fold_mlp(block, quant, seen, path, report)
    _fold_heads(net, twin, seen, report)
    return twin, report


def _flat(samples: Tensor) -> Tensor:
    return samples.flatten(0, -2)


def _set_norm(target: torch.nn.LayerNorm, weight: Tensor, bias: Tensor, s: Tensor) -> None:
    target.weight.copy_(weight / s)
    target.bias.copy_(bias / s)


def _fold_embedding(net: M3ViT, twin: QuantM3ViT) -> None:
    proj = net.backbone.patch_embed.proj
    mean = torch.tensor(net.config.pixel_mean)[:, None, None]
    weight = proj.weight / torch.tensor(net.config.pixel_std)[:, None, None]
    target = twin.backbone.patch_embed
    assert proj.bias is not None
    assert target.bias is not None
    target.weight.copy_(weight)
    target.bias.copy_(proj.bias - (weight * mean).sum(dim=(1, 2, 3)))
    position = net.backbone.pos_embed.clone()
    position[:, 0] += net.backbone.cls_token[0]
    twin.backbone.position.copy_(position)


def _fold_attention(block: Block, quant: QuantBlock, seen: Observer, path: str, report: ScaleReport) -> None:
    attn, target = block.attn, quant.attn
    heads, width = attn.n_heads, attn.head_dim
    qkv = seen.outputs[f"{path}.attn.qkv"]
    qkv = qkv.reshape(*qkv.shape[:2], 3, heads, width)
    rows = torch.ones(3, heads, width)
    for head in range(heads):
        q, k = search_query_key_scales(qkv[..., 0, head, :], qkv[..., 1, head, :])
        report[f"{path}.attn.q{head}"] = q
        report[f"{path}.attn.k{head}"] = k
        rows[0, head], rows[1, head] = q.scales, k.scales
    rows[2] = scales_for(channel_range(_flat(qkv[..., 2, :, :].flatten(-2))), 1.0).view(heads, width)
    target.score_factor.mul_((rows[0] * rows[1])[:, :1, None])

    s = search_scales(_flat(seen.outputs[f"{path}.norm1"]), attn.qkv.weight)
    report[f"{path}.norm1"] = s
    _set_norm(quant.norm1, block.norm1.weight, block.norm1.bias, s.scales)
    target.qkv.weight.copy_(attn.qkv.weight * s.scales / rows.view(-1, 1))
    target.qkv.bias.copy_(attn.qkv.bias / rows.view(-1))

    s = search_scales(_flat(seen.inputs[f"{path}.attn.proj"]), attn.proj.weight)
    report[f"{path}.attn.out"] = s
    target.value_factor.copy_((rows[2] / s.scales.view(heads, width))[:, None, :])
    target.proj.weight.copy_(attn.proj.weight * s.scales)
    target.proj.bias.copy_(attn.proj.bias)


def _fold_mlp(block: Block, quant: QuantBlock, seen: Observer, path: str, report: ScaleReport) -> None:
    mlp, target = block.mlp, quant.mlp
    assert isinstance(mlp, Mlp)
    assert isinstance(target, QuantMlp)
    s = search_scales(_flat(seen.outputs[f"{path}.norm2"]), mlp.fc1.weight)
    report[f"{path}.norm2"] = s
    _set_norm(quant.norm2, block.norm2.weight, block.norm2.bias, s.scales)
    target.fc1.weight.copy_(mlp.fc1.weight * s.scales)
    target.fc1.bias.copy_(mlp.fc1.bias)

    s = search_scales(_flat(seen.inputs[f"{path}.mlp.fc2"]), mlp.fc2.weight)
    report[f"{path}.mlp.hidden"] = s
    target.hidden_factor.copy_(1 / s.scales)
    target.fc2.weight.copy_(mlp.fc2.weight * s.scales)
    target.fc2.bias.copy_(mlp.fc2.bias)


def _fold_moe(
    net: M3ViT, block: Block, quant: QuantBlock, seen: Observer, path: str, report: ScaleReport
) -> None:
    mlp, target = block.mlp, quant.mlp
    assert isinstance(mlp, MoeMlp)
    assert isinstance(target, QuantMoeMlp)
    experts = mlp.experts
    tokens = _flat(seen.outputs[f"{path}.norm2"])
    routers, bias = _routers(net, mlp)
    s = search_scales(tokens, torch.cat((_flat(experts.htoh4.weight), _flat(routers))))
    report[f"{path}.norm2"] = s
    _set_norm(quant.norm2, block.norm2.weight, block.norm2.bias, s.scales)
    target.gate.weight.copy_(_flat(routers) * s.scales)
    target.gate_bias.copy_(bias)
    target.htoh4.weight.copy_(_flat(experts.htoh4.weight) * s.scales)
    target.htoh4.bias.copy_(experts.htoh4.bias.flatten())

    weights = []
    for expert in range(mlp.n_experts):
        hidden = seen.expert_input(f"{path}.mlp.experts.h4toh", expert)
        if len(hidden) < MIN_EXPERT_TOKENS:
            hidden = F.gelu(experts.htoh4(tokens, expert))
        weight = experts.h4toh.weight[expert]
        s = search_scales(hidden, weight)
        report[f"{path}.mlp.hidden{expert}"] = s
        target.hidden_factor[expert] = 1 / s.scales
        weights.append(weight * s.scales)
    target.h4toh.weight.copy_(torch.cat(weights))
    target.h4toh.bias.copy_(experts.h4toh.bias.flatten())


def _routers(net: M3ViT, mlp: MoeMlp) -> tuple[Tensor, Tensor]:
    """Router weights (gates, experts, d) and biases (tasks, experts); a task's embedding becomes a bias."""
    tasks, d_model = len(net.config.tasks), net.config.d_model
    if isinstance(mlp.gate, Gate):
        shared = mlp.gate.w_gate.T
        embeddings = [net.backbone.task_embedding(task) for task in range(tasks)]
        bias = torch.stack([shared[:, d_model:] @ e for e in embeddings if e is not None])
        return shared[None, :, :d_model], bias
    assert isinstance(mlp.gate, torch.nn.ModuleList)
    weights = [gate.w_gate.T for gate in mlp.gate if isinstance(gate, Gate)]
    return torch.stack(weights), torch.zeros(tasks, mlp.n_experts)


def _fold_heads(net: M3ViT, twin: QuantM3ViT, seen: Observer, report: ScaleReport) -> None:
    """The decoders' norms differ in gamma and beta only: these move into the heads; one norm serves all."""
    names = net.config.task_names
    x = torch.cat([_flat(seen.inputs[f"decoders.{task}.norm"]) for task in names])
    xhat = F.layer_norm(x, x.shape[-1:], eps=net.config.layer_norm_eps)
    decoders = [net.decoder(task) for task in names]
    weights = [d.head.weight * d.norm.weight for d in decoders]
    s = search_scales(xhat, torch.cat(weights))
    report["final_norm"] = s
    _set_norm(twin.final_norm, torch.ones_like(s.scales), torch.zeros_like(s.scales), s.scales)
    for task, decoder, weight in zip(names, decoders, weights, strict=True):
        target = twin.decoder(task).head
        target.weight.copy_(weight * s.scales)
        target.bias.copy_(decoder.head.bias + decoder.head.weight @ decoder.norm.bias)
