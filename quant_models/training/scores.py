# SPDX-License-Identifier: Apache-2.0
"""Scores a network on a data set: mIoU of segmentations, RMSE and relative error of depths."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from peritus.evaluation import ConfusionMatrix, new_metric, scores_of
from quant_models.data.dataset import Dataset
from quant_models.network.config import M3ViTConfig
from quant_models.training.batches import gather


@torch.no_grad()
def score(
    outputs: Callable[[Tensor], dict[str, Tensor]],
    config: M3ViTConfig,
    data: Dataset,
    device: torch.device | str = "cpu",
    batch: int = 16,
) -> dict[str, float]:
    """Metrics over all images of `data`, at the resolution of its targets.

    Args:
        outputs: images (B, 3, H, W), pixels k/256 -> every task's map (B, channels, h, w), upsampled here.
    Returns:
        As `peritus.evaluation.metrics.scores_of`.
    """
    found = {task.name: new_metric(task.kind, task.channels) for task in config.tasks}
    for first in range(0, len(data), batch):
        loaded = gather(data, np.arange(first, min(first + batch, len(data))))
        maps = outputs(loaded.images.to(device))
        for name, metric in found.items():
            target = loaded.targets[name]
            full = F.interpolate(
                maps[name].float().cpu(), target.shape[1:], mode="bilinear", align_corners=False
            )
            prediction = full.argmax(dim=1) if isinstance(metric, ConfusionMatrix) else full[:, 0]
            metric.update(prediction.numpy(), target.numpy())
    return scores_of(found)
