# SPDX-License-Identifier: Apache-2.0
"""A data set that even a very small network learns in seconds."""

import hashlib

import numpy as np

from quant_models.data.dataset import Sample
from quant_models.network.config import M3ViTConfig


class Squares:
    """Images whose labels and depth can be seen: dark above, bright below a random height."""

    name = "squares"

    def __init__(self, count: int, seed: int, config: M3ViTConfig) -> None:
        self.tasks = config.tasks
        rng = np.random.default_rng(seed)
        height, width = config.image_height, config.image_width
        below = np.arange(height)[:, None] >= rng.integers(4, height - 4, (count, 1, 1))
        below = np.broadcast_to(below, (count, height, width))
        noise = rng.integers(0, 30, (count, height, width, 3))
        self.images = (np.where(below[..., None], 200, 40) + noise).astype(np.uint8)
        self.targets = {
            "semseg": np.where(below, 1, 5).astype(np.uint8),
            "depth": np.where(below, 4.0, 40.0).astype(np.float32),
        }

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.images.tobytes())
        for target in self.targets.values():
            digest.update(target.tobytes())
        return digest.hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        return Sample(self.images[index], {name: target[index] for name, target in self.targets.items()})

    def batch(self, indices):  # type: ignore[no-untyped-def]
        return self.images[indices], {name: target[indices] for name, target in self.targets.items()}
