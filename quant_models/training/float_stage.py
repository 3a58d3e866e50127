# SPDX-License-Identifier: Apache-2.0
"""Float multi-task training: all tasks of every image at once, routers noisy and balanced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from quant_models.data.dataset import IGNORE, NO_DEPTH, Dataset
from quant_models.network.config import M3ViTConfig
from quant_models.network.init import training_start
from quant_models.network.model import M3ViT
from quant_models.training.batches import Batch, gather
from quant_models.training.config import TrainingConfig
from quant_models.training.losses import DEPTH_UNIT, router_loss, task_losses
from quant_models.training.stage import Loss

PRIOR_IMAGES = 256


def start(config: M3ViTConfig, data: Dataset, seed: int) -> M3ViT:
    """A random network whose heads begin with what the labels are on average: class prior, mean depth."""
    net = training_start(config, seed)
    first = gather(data, np.arange(min(PRIOR_IMAGES, len(data))))
    for task in config.tasks:
        target, bias = first.targets[task.name], net.decoder(task.name).head.bias
        if task.kind == "depth":
            known = target[target != NO_DEPTH]
            value = known.mean().expand(1) if len(known) else torch.zeros(1)
        else:
            labels = target if task.kind == "classification" else target[target != IGNORE]
            counts = labels.flatten().bincount(minlength=task.channels) + 1.0
            value = (counts / counts.sum()).log()
        with torch.no_grad():
            bias.copy_(value.repeat(len(bias) // len(value)))
    return net


@dataclass(frozen=True, eq=False)
class FloatStage:
    """Trains `module` on the labels. origin: what its weights are at first, "random" or what made them."""

    module: M3ViT
    training: TrainingConfig
    origin: str = "random"

    @property
    def config(self) -> M3ViTConfig:
        return self.module.config

    def groups(self) -> list[dict[str, Any]]:
        """Weight decay on matrices only. A depth head's outputs are metres, DEPTH_UNIT times larger than
        what its loss sees: so are its steps."""
        depth_heads = tuple(f"decoders.{t.name}.head." for t in self.config.tasks if t.kind == "depth")
        groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
        for name, parameter in self.module.named_parameters():
            matrix = parameter.ndim >= 2 and not name.endswith(("bias", "pos_embed", "cls_token"))
            decay = self.training.weight_decay if matrix else 0.0
            rate = DEPTH_UNIT if name.startswith(depth_heads) else 1.0
            groups.setdefault((decay, rate), []).append(parameter)
        return [
            {"params": parameters, "weight_decay": decay, "rate": rate}
            for (decay, rate), parameters in groups.items()
        ]

    def loss(self, batch: Batch) -> Loss:
        parts = task_losses(self.config, self.outputs(batch.images), batch.targets)
        balance = router_loss(self.module)
        return Loss(sum(parts.values(), self.training.balance * balance), {**parts, "balance": balance})

    def outputs(self, images: Tensor) -> dict[str, Tensor]:
        return self.module.all_tasks(images)
