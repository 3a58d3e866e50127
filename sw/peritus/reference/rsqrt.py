# SPDX-License-Identifier: Apache-2.0
"""Reciprocal square root by table and one Newton step."""

from __future__ import annotations

import numpy as np

from peritus.reference.arithmetic import I64, Ints, bit_length
from peritus.reference.tables import RSQRT


def rsqrt(value: Ints) -> tuple[I64, I64]:
    """(r, half) with 1 / sqrt(value) ~ r * 2^-(16 + half).

    value: 1 <= value < 2^48. With h = floor(log2(value)) rounded down to even, u = value normalized to
    [2^16, 2^18), T = RSQRT[(u >> 9) - 128], a = T^2 >> 16, c = (3 * 2^32 - u a) >> 16:
    r = min(65535, (T c + 2^16) >> 17), half = h / 2.
    Returns r (uint16, >= 2^15) and half (0..23).
    """
    v = value.astype(np.int64)
    h = (bit_length(v) - 1) & ~1
    u = np.where(h >= 16, v >> np.maximum(h - 16, 0), v << np.maximum(16 - h, 0))
    table = RSQRT[(u >> 9) - 128]
    a = (table * table) >> 16
    c = (3 * (1 << 32) - u * a) >> 16
    r = (table * c + (1 << 16)) >> 17
    return r.clip(max=65535), h >> 1
