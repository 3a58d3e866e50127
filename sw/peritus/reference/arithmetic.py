# SPDX-License-Identifier: Apache-2.0
"""Rounding and saturation: the two primitives under every other function."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer[Any]]  # any integer array, as input
I64 = npt.NDArray[np.int64]  # every intermediate result


_HALF = np.array([0, *(1 << s for s in range(63))], dtype=np.int64)  # 2^(shift - 1)


def rhu(value: Ints, shift: Ints | int) -> I64:
    """Round half up, elementwise: floor(value / 2^shift + 1/2) = (value + 2^(shift-1)) >> shift.

    shift: 0..63; 0 leaves the value as it is.
    """
    s = np.asarray(shift, dtype=np.int64)
    total = np.add(value, _HALF[s], dtype=np.int64)
    total >>= s
    return np.asarray(total)


def saturate(value: Ints, bits: int) -> I64:
    """Clamp to a signed integer of `bits` bits: [-2^(bits-1), 2^(bits-1) - 1]."""
    clamped: I64 = np.maximum(value, -(1 << (bits - 1)), dtype=np.int64)
    return np.minimum(clamped, (1 << (bits - 1)) - 1, out=clamped)


def bit_length(value: Ints) -> I64:
    """Position of the highest set bit plus one, of values in 1..2^52."""
    # float64 holds these values exactly, and frexp returns the exponent without rounding.
    return np.frexp(value.astype(np.float64))[1].astype(np.int64)
