# SPDX-License-Identifier: Apache-2.0
"""Scores a network on a data set: mIoU of segmentations, RMSE of depths, top-1 of classifications."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from peritus.evaluation import ConfusionMatrix, Ranking, new_metric, scores_of
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
    progress: Callable[[int], None] | None = None,
) -> dict[str, float]:
    """Metrics over all images of `data`, at the resolution of its targets.

    Args:
        outputs: images (B, 3, H, W), pixels k/256 -> every task's map (B, channels, h, w), upsampled here.
        progress: called with the number of images done.
    Returns:
        As `peritus.evaluation.metrics.scores_of`.
    """
    found = {task.name: new_metric(task.kind, task.channels) for task in config.tasks}
    for first in range(0, len(data), batch):
        loaded = gather(data, np.arange(first, min(first + batch, len(data))))
        maps = outputs(loaded.images.to(device))
        for name, metric in found.items():
            target = loaded.targets[name]
            found_map = maps[name].float().cpu()
            if isinstance(metric, Ranking):
                prediction = found_map.movedim(1, -1)
            else:
                full = F.interpolate(found_map, target.shape[1:], mode="bilinear", align_corners=False)
                prediction = full.argmax(dim=1) if isinstance(metric, ConfusionMatrix) else full[:, 0]
            metric.update(prediction.numpy(), target.numpy())
        if progress is not None:
            progress(first + len(loaded.images))
    return scores_of(found)
