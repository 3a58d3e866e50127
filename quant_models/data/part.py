# SPDX-License-Identifier: Apache-2.0
"""Some samples of a data set: what is held out of training, and the rest."""

from __future__ import annotations

import hashlib
from functools import cached_property

import numpy as np
import numpy.typing as npt

from quant_models.data.dataset import DataError, Dataset, Sample, Target
from quant_models.network.config import TaskConfig


class Part:
    """The samples `indices` [n] of a data set, in that order."""

    def __init__(self, data: Dataset, indices: npt.NDArray[np.int64], what: str) -> None:
        self._data, self._indices = data, indices
        self.name = f"{data.name}, {what}"

    @property
    def tasks(self) -> tuple[TaskConfig, ...]:
        return self._data.tasks

    @cached_property
    def fingerprint(self) -> str:
        """As `Dataset.fingerprint`."""
        of = self._data.fingerprint.encode() + self._indices.astype("<i8").tobytes()
        return hashlib.sha256(of).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        return self._data[int(self._indices[index])]

    def batch(self, indices: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.uint8], dict[str, Target]]:
        """As `Dataset.batch`."""
        return self._data.batch(self._indices[indices])


def hold_out(data: Dataset, held: int, count: int | None) -> tuple[Part, Part]:
    """`count` samples to train on (None: all others), and `held` evenly spread ones that training never sees.

    Raises:
        DataError: fewer samples than that.
    """
    if len(data) < held + (count or 1):
        raise DataError(
            f"{data.name} has {len(data)} samples: too few for {held} of validation "
            f"and {count or 1} of training"
        )
    kept_back = spread(len(data), held)
    rest = np.setdiff1d(np.arange(len(data)), kept_back)
    return Part(data, rest[spread(len(rest), count or len(rest))], "training"), Part(
        data, kept_back, "held out"
    )


def spread(length: int, count: int) -> npt.NDArray[np.int64]:
    """`count` different indices below `length`, evenly spread, ascending; count <= length."""
    return (np.arange(count) * length + length // 2) // count
