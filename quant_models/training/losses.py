# SPDX-License-Identifier: Apache-2.0
"""Losses of the tasks and of the routers."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from quant_models.data.dataset import IGNORE, NO_DEPTH
from quant_models.network.config import M3ViTConfig
from quant_models.network.model import M3ViT
from quant_models.network.moe import Decision, MoeMlp

DEPTH_UNIT = 5.0  # metres; errors below it count squared, larger ones linearly


def task_loss(kind: str, output: Tensor, target: Tensor) -> Tensor:
    """Mean over the labelled pixels, at the target's resolution; of a classification, over the images.

    Args:
        kind: "segmentation", "depth" or "classification".
        output: (B, channels, h, w) logits, or metres.
        target: (B, H, W) int64 labels with IGNORE, or float32 metres with NO_DEPTH; (B, 1, 1) int64 classes.
    """
    if kind == "classification":
        return F.cross_entropy(output.float(), target)
    output = F.interpolate(output.float(), target.shape[1:], mode="bilinear", align_corners=False)
    if kind == "segmentation":
        known = (target != IGNORE).sum().clamp(min=1)
        return F.cross_entropy(output, target, ignore_index=IGNORE, reduction="sum") / known
    known = target != NO_DEPTH
    error = F.smooth_l1_loss(output[:, 0] / DEPTH_UNIT, target / DEPTH_UNIT, reduction="none")
    return (error * known).sum() / known.sum().clamp(min=1)


def task_losses(
    config: M3ViTConfig, outputs: dict[str, Tensor], targets: dict[str, Tensor]
) -> dict[str, Tensor]:
    """`task_loss` of every task."""
    return {task.name: task_loss(task.kind, outputs[task.name], targets[task.name]) for task in config.tasks}


def squared_variation(x: Tensor) -> Tensor:
    """The squared coefficient of variation, (std / mean)^2: 0 for an even distribution over experts."""
    return x.float().var() / (x.float().mean().square() + 1e-10)


def balance_loss(decision: Decision) -> Tensor:
    """Importance and load loss of one router for one task (Riquelme et al., V-MoE, 2021, as used by M³ViT).

    Importance is the score an expert receives from the tokens that chose it; load the expected number of
    tokens that choose it if the noise of std 1/experts were drawn again: the chance that a logit stays above
    the top_k-th largest of the others.
    """
    experts, top_k = decision.logits.shape[-1], decision.indices.shape[-1]
    importance = torch.zeros_like(decision.logits[0]).index_add(
        0, decision.indices.flatten(), decision.scores.flatten()
    )
    if top_k == experts:
        return squared_variation(importance)
    best = decision.noisy.topk(top_k + 1, dim=-1).values
    among_best = decision.noisy >= best[:, top_k - 1 : top_k]
    threshold = torch.where(among_best, best[:, top_k:], best[:, top_k - 1 : top_k])
    chance = torch.special.ndtr((decision.logits - threshold) * experts)
    return squared_variation(importance) + squared_variation(chance.sum(dim=0))


def router_loss(net: M3ViT) -> Tensor:
    """Mean of `balance_loss` over all routers and tasks of the last pass; 0 without experts."""
    losses = [
        balance_loss(decision)
        for block in net.backbone.layers
        if isinstance(block.mlp, MoeMlp)
        for decision in block.mlp.decisions
    ]
    return torch.stack(losses).mean() if losses else torch.zeros(())
