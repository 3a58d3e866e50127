# SPDX-License-Identifier: Apache-2.0
"""The functions between the two stages of requantization, by name: the one table of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from peritus.reference.arithmetic import I64, Ints, saturate
from peritus.reference.gelu import gelu


def none(y: Ints) -> I64:
    """y as it is."""
    return y.astype(np.int64)


def relu(y: Ints) -> I64:
    """ReLU at any scale: g = max(sat16(y), 0).

    y: signed 24 bits. Returns signed 16 bits at the same scale.
    """
    return np.maximum(saturate(y, 16), 0)


ACTIVATIONS: Mapping[str, Callable[[Ints], I64]] = {
    "none": none,
    "gelu": gelu,
    "relu": relu,
}
