# SPDX-License-Identifier: Apache-2.0
"""Activations in PyTorch, by their names in peritus.reference.ACTIVATIONS."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor
from torch.nn import functional as F

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,  # exact (erf)
    "relu": F.relu,
}
