# SPDX-License-Identifier: Apache-2.0
"""What every data set looks like to training and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from peritus.errors import PeritusError
from peritus.evaluation.metrics import IGNORE, NO_DEPTH
from quant_models.network.config import TaskConfig

__all__ = ["IGNORE", "NO_DEPTH", "DataError", "Dataset", "Sample", "Target"]

Target = npt.NDArray[Any]


class DataError(PeritusError):
    """A data set that is missing, incomplete or of another shape; names the path and what was expected."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One image and its targets.

    image: uint8 [H, W, 3]. targets: per task, uint8 [H, W] class indices (IGNORE = none) of a segmentation,
    float32 [H, W] metres (NO_DEPTH = unknown) of a depth, or int64 [1, 1], the class of a classification.
    """

    image: npt.NDArray[np.uint8]
    targets: dict[str, Target] = field(default_factory=dict)


def stack(samples: Sequence[Sample]) -> tuple[npt.NDArray[np.uint8], dict[str, Target]]:
    """Samples of one size as arrays: images uint8 [B, H, W, 3] and each task's targets, [B, ...]."""
    targets = {task: np.stack([sample.targets[task] for sample in samples]) for task in samples[0].targets}
    return np.stack([sample.image for sample in samples]), targets


class Dataset(Protocol):
    """Samples of one size. `tasks` says what the targets hold, in the terms of the model's own tasks."""

    @property
    def name(self) -> str: ...

    @property
    def tasks(self) -> tuple[TaskConfig, ...]: ...

    @property
    def fingerprint(self) -> str:
        """A hash of the content of all samples as given here: what tells a run's data from others."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def batch(self, indices: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.uint8], dict[str, Target]]:
        """Several samples at once: images [B, H, W, 3] and each task's targets [B, H, W]."""
        ...
