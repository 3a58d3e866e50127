# SPDX-License-Identifier: Apache-2.0
"""Quantization-aware training: the fake-quantized model learns from labels and from its float teacher.

Activation grids stay as calibrated: the integer model needs them constant. Weights, biases and norms move.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from quant_models.data.dataset import Dataset
from quant_models.network.config import M3ViTConfig
from quant_models.network.model import M3ViT
from quant_models.network.moe import MoeMlp
from quant_models.quantization.fake_quant import QuantM3ViT
from quant_models.quantization.fake_quant_moe import QuantMoeMlp
from quant_models.quantization.fold import fake_quantize
from quant_models.quantization.recipe import Recipe
from quant_models.training.batches import Batch, gather, indices_of
from quant_models.training.config import TrainingConfig
from quant_models.training.losses import task_losses
from quant_models.training.stage import Loss


def _size(parameter: Tensor) -> float:
    """Root mean square; of a tensor of zeros, such as a bias that is not in use, 1."""
    return float(parameter.detach().square().mean().sqrt()) or 1.0


@dataclass(frozen=True, eq=False)
class QatStage:
    """Trains the fake-quantized `module` of `teacher`."""

    module: QuantM3ViT
    teacher: M3ViT
    training: TrainingConfig
    origin: str

    @classmethod
    def begin(cls, teacher: M3ViT, origin: str, data: Dataset, training: TrainingConfig) -> QatStage:
        """Calibrate on training images and fake-quantize; the same inputs give the same model."""
        count = min(training.calibration_images, len(data))
        images = gather(data, indices_of(0, count, len(data), training.seed)).images
        model, _ = fake_quantize(teacher, images, Recipe(expert_bits=training.expert_bits))
        return cls(model, teacher.eval(), training, origin)

    @property
    def config(self) -> M3ViTConfig:
        return self.teacher.config

    def groups(self) -> list[dict[str, Any]]:
        """One group per tensor: scales folded into weights make their sizes differ by orders of magnitude,
        so each moves in proportion to its own root mean square."""
        return [
            {"params": [parameter], "weight_decay": 0.0, "rate": _size(parameter)}
            for parameter in self.module.parameters()
            if parameter.requires_grad
        ]

    def loss(self, batch: Batch) -> Loss:
        outputs: dict[str, Tensor] = {}
        noise, routing = [], []
        self.teacher.to(batch.images.device)
        for task, name in enumerate(self.config.task_names):
            with torch.no_grad():
                goal = self.teacher.features(batch.images, name)
            features, *maps = self.module(batch.images, torch.tensor(task, device=batch.images.device))
            outputs[name] = maps[task]
            noise.append((features - goal).square().sum() / goal.square().sum())
            routing.append(self._router_divergence())
        parts = task_losses(self.config, outputs, batch.targets)
        # The logarithm of the noise: a step down counts alike from wherever it is taken.
        parts["features"] = torch.stack(noise).log10().mean()
        parts["routers"] = torch.stack(routing).mean()
        weight = self.training.distillation
        imitation = parts["features"] + parts["routers"]
        return Loss(sum((parts[name] for name in self.config.task_names), weight * imitation), parts)

    def _router_divergence(self) -> Tensor:
        """KL divergence of its expert scores from the teacher's, mean over tokens and layers."""
        found = []
        for block, quant in zip(self.teacher.backbone.layers, self.module.backbone.layers, strict=True):
            if isinstance(block.mlp, MoeMlp) and isinstance(quant.mlp, QuantMoeMlp):
                goal = block.mlp.decisions[0].logits.log_softmax(dim=-1)
                mine = quant.mlp.last_logits.flatten(0, 1).log_softmax(dim=-1)
                found.append(F.kl_div(mine, goal, log_target=True, reduction="batchmean"))
        return torch.stack(found).mean() if found else torch.zeros(())

    def outputs(self, images: Tensor) -> dict[str, Tensor]:
        maps = {}
        for task, name in enumerate(self.config.task_names):
            maps[name] = self.module(images, torch.tensor(task, device=images.device))[1 + task]
        return maps
