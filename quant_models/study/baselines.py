# SPDX-License-Identifier: Apache-2.0
"""What a predictor scores that never looks at the image."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from quant_models.data.dataset import IGNORE, NO_DEPTH, Dataset
from quant_models.network.config import M3ViTConfig
from quant_models.training.batches import gather
from quant_models.training.scores import score


def position_prior(config: M3ViTConfig, training: Dataset, images: int, test: Dataset) -> dict[str, float]:
    """Scores of the most frequent class and the mean depth of each pixel over `images` training images.

    Stronger than one class and one depth for the whole picture: it knows where sky and road usually are.
    """
    seen = gather(training, np.arange(min(images, len(training)))).targets
    maps: dict[str, Tensor] = {}
    for task in config.tasks:
        target = seen[task.name]
        if task.kind == "segmentation":
            counts = torch.stack([(target == c).sum(dim=0) for c in range(task.channels)])
            assert task.channels <= IGNORE
            maps[task.name] = counts.float()
        else:
            known = target != NO_DEPTH
            maps[task.name] = ((target * known).sum(dim=0) / known.sum(dim=0).clamp(min=1))[None]

    def outputs(images: Tensor) -> dict[str, Tensor]:
        return {name: value.expand(len(images), -1, -1, -1) for name, value in maps.items()}

    return score(outputs, config, test)
