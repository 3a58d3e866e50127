# SPDX-License-Identifier: Apache-2.0
"""GELU = ReLU minus a small, even, quickly vanishing correction from a table (Edge-MoE)."""

from __future__ import annotations

import numpy as np

from peritus.reference.arithmetic import I64, Ints, saturate
from peritus.reference.tables import DELTA


def gelu(y: Ints) -> I64:
    """GELU in Q.8: x = sat16(y), g = max(x, 0) - DELTA[|x| >> 1] where |x| < 1024, else max(x, 0).

    y: signed 24 bits, LSB 1/256. Returns signed 16 bits, LSB 1/256, within 1 LSB of x * Phi(x) for every x.
    """
    return np.take(_GELU, saturate(y, 16) + 32768)


def _gelu16(x: I64) -> I64:
    magnitude = np.abs(x)
    delta = np.where(magnitude < 1024, np.take(DELTA, np.minimum(magnitude, 1023) >> 1), 0)
    return np.asarray(np.maximum(x, 0) - delta)


_GELU = _gelu16(np.arange(-32768, 32768))  # of all inputs: looking one up is quicker than the formula
