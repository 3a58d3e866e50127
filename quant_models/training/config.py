# SPDX-License-Identifier: Apache-2.0
"""What defines a training run: with the same values and the same data, the same weights come out."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from quant_models.network.config import ConfigError

Stage = Literal["float", "qat"]
MAX_BATCH = 4096  # images of a step, which is not interrupted


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """One stage of training.

    steps: optimizer steps, each on `batch` images and all their tasks. learning_rate: peak, after `warmup`
    steps, then a cosine down to 1 % of it; in stage "qat" relative to the root mean square of each tensor.
    balance: weight of the routers' importance and load losses. distillation (qat): weight of the float
    teacher's features and router logits. expert_bits (qat): width of the experts' weights.
    calibration_images (qat): training images that set the ranges of the activations.

    Raises:
        ConfigError: a value is outside its range.
    """

    stage: Stage
    steps: int
    batch: int = 16
    learning_rate: float = 1e-3
    warmup: int = 100
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    balance: float = 0.01
    distillation: float = 0.0
    expert_bits: int = 8
    calibration_images: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        def require(ok: bool, field: str, limit: str) -> None:
            if not ok:
                raise ConfigError(f"training: {field} = {getattr(self, field)!r}, must be {limit}")

        require(self.stage in ("float", "qat"), "stage", '"float" or "qat"')
        for field in ("steps", "calibration_images"):
            require(getattr(self, field) >= 1, field, "at least 1")
        require(1 <= self.batch <= MAX_BATCH, "batch", f"1 to {MAX_BATCH}")
        require(self.warmup >= 0, "warmup", "at least 0")
        require(0 <= self.seed < 2**31, "seed", "in 0..2^31 - 1")
        for field in ("learning_rate", "clip_norm"):
            require(0 < getattr(self, field) < math.inf, field, "positive and finite")
        for field in ("weight_decay", "balance", "distillation"):
            require(0 <= getattr(self, field) < math.inf, field, "finite and not negative")
        require(self.expert_bits in (4, 8), "expert_bits", "4 or 8")

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        progress = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))

    def record(self) -> dict[str, Any]:
        """All values, for the run's folder."""
        return asdict(self)
