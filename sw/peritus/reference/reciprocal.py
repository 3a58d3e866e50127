# SPDX-License-Identifier: Apache-2.0
"""Reciprocal by table and one Newton step."""

from __future__ import annotations

import numpy as np

from peritus.reference.arithmetic import I64, Ints, bit_length
from peritus.reference.tables import RECIPROCAL


def reciprocal(value: Ints) -> tuple[I64, I64]:
    """(r, shift) with 1 / value ~ r * 2^-shift.

    value: 1 <= value < 2^24. With u = value normalized to [2^15, 2^16), T = RECIPROCAL[(u >> 7) & 255] and
    t = 2^32 - u T:  r = min(65535, (T (t >> 15) + 2^15) >> 16), shift = 16 + floor(log2(value)).
    Returns r (uint16, >= 2^15) and shift (16..39).
    """
    e = bit_length(value) - 1
    u = (value.astype(np.int64) << 15) >> e  # = value << (15-e), or value >> (e-15)
    table = RECIPROCAL[(u >> 7) & 255]
    t = (1 << 32) - u * table
    r = (table * (t >> 15) + (1 << 15)) >> 16
    return r.clip(max=65535), 16 + e
