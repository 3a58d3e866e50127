# SPDX-License-Identifier: Apache-2.0
"""What the engine needs to know of a stage: a module, its learning rates, its loss and its outputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, nn

from quant_models.network.config import M3ViTConfig
from quant_models.training.batches import Batch


@dataclass(frozen=True, eq=False)
class Loss:
    """total: what is minimized. parts: its terms, for the journal."""

    total: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)


class Stage(Protocol):
    """One stage of training."""

    @property
    def config(self) -> M3ViTConfig: ...

    @property
    def origin(self) -> str:
        """What the stage starts from: a run is resumed only with the same."""
        ...

    @property
    def module(self) -> nn.Module:
        """What is trained, saved and resumed."""
        ...

    def groups(self) -> list[dict[str, Any]]:
        """Parameter groups of the optimizer; `rate` multiplies the scheduled learning rate."""
        ...

    def loss(self, batch: Batch) -> Loss:
        """The loss of a training batch; the module is in training mode."""
        ...

    def outputs(self, images: Tensor) -> dict[str, Tensor]:
        """Every task's map, for validation; the module is in evaluation mode."""
        ...
