# SPDX-License-Identifier: Apache-2.0
"""Which images a training step sees and how they are varied: a function of seed and step alone.

So a run that is resumed at a step goes on exactly as if it had never stopped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from quant_models.data.dataset import Dataset
from quant_models.data.fit import check_fit
from quant_models.network.config import M3ViTConfig

GAIN, OFFSET, COLOUR = 0.2, 0.06, 0.08  # largest change of contrast, brightness and colour of an image


@dataclass(frozen=True, eq=False)
class Batch:
    """images: float (B, 3, H, W), pixels k/256. targets: per task (B, H, W), labels or metres."""

    images: Tensor
    targets: dict[str, Tensor]


def step_seed(seed: int, step: int) -> int:
    """A seed for everything random in one step."""
    return int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0] >> np.uint64(1))


def indices_of(step: int, batch: int, images: int, seed: int) -> npt.NDArray[np.int64]:
    """The step's images: every image comes once per epoch, each epoch in an order of its own."""
    first = step * batch
    wanted = np.arange(first, first + batch)
    chosen = np.empty(batch, np.int64)
    for epoch in np.unique(wanted // images):
        order = np.random.default_rng((seed, int(epoch))).permutation(images)
        inside = wanted // images == epoch
        chosen[inside] = order[wanted[inside] % images]
    return chosen


def gather(data: Dataset, indices: npt.NDArray[np.int64]) -> Batch:
    """Load images of a data set as they are."""
    images, targets = data.batch(indices)
    return Batch(
        torch.from_numpy(images).movedim(-1, 1).float() / 256,
        {
            task.name: torch.from_numpy(targets[task.name]).to(
                torch.float32 if task.kind == "depth" else torch.int64
            )
            for task in data.tasks
        },
    )


def training_batch(data: Dataset, step: int, batch: int, seed: int) -> Batch:
    """The varied images of a training step."""
    return vary(gather(data, indices_of(step, batch, len(data), seed)), step_seed(seed, step))


def vary(batch: Batch, seed: int) -> Batch:
    """Mirror half of the images and change contrast, brightness and colour a little; pixels stay k/256."""
    random = torch.Generator().manual_seed(seed)
    count = len(batch.images)

    def uniform(limit: float, channels: int) -> Tensor:
        return (torch.rand(count, channels, 1, 1, generator=random) * 2 - 1) * limit

    mirrored = torch.rand(count, generator=random) < 0.5
    gain = 1 + uniform(GAIN, 1) + uniform(COLOUR, 3)
    images = (batch.images * gain + uniform(OFFSET, 1)).mul(256).round().clamp(0, 255) / 256
    return Batch(
        torch.where(mirrored[:, None, None, None], images.flip(-1), images),
        {
            name: torch.where(mirrored[:, None, None], target.flip(-1), target)
            for name, target in batch.targets.items()
        },
    )


def check_data(data: Dataset, config: M3ViTConfig) -> None:
    """`check_fit` of a float network."""
    size = config.image_height, config.image_width, config.in_channels
    check_fit(data, config.name, config.tasks, size)
