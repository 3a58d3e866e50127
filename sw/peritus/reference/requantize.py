# SPDX-License-Identifier: Apache-2.0
"""The two requantization stages of the epilogue."""

from __future__ import annotations

import numpy as np

from peritus.reference.arithmetic import I64, Ints, rhu, saturate

# The integer that is 0 among hidden values, which are hardly ever negative: they reach from -64 to 191.
HIDDEN_ZERO_POINT = -64
MIN_SHIFT, MAX_SHIFT = 1, 47  # of a channel, in either stage


def requantize(acc: Ints, bias: Ints | int, multiplier: Ints | int, shift: Ints | int) -> I64:
    """Stage 1: y = sat24(rhu((acc + bias) * multiplier, shift)).

    acc: [tokens, channels], acc + bias within signed 27 bits. bias: int32 [channels] or scalar.
    multiplier: uint16 [channels] or scalar, 0 or >= 2^15. shift: 1..47, like multiplier.
    Returns y, signed 24 bits, same shape as acc.
    """
    y = np.add(acc, bias, dtype=np.int64)
    y *= np.asarray(multiplier, dtype=np.int64)
    return saturate(rhu(y, shift), 24)


def rescale(value: Ints, multiplier: Ints, shift: Ints | int) -> I64:
    """Stage 2: z = rhu(value * multiplier, shift), without saturation (the destination saturates).

    value: signed 24 bits. multiplier: uint16 (channel scale, expert score Q1.15, or reciprocal), broadcast
    against value. shift: 1..63.
    """
    return rhu(np.multiply(value, multiplier, dtype=np.int64), shift)


def to_int8(z: Ints, zero_point: int = 0) -> I64:
    """Activations: sat8(z + zero_point), 0 or HIDDEN_ZERO_POINT, which the reader's bias takes off."""
    return saturate(np.add(z, zero_point, dtype=np.int64), 8)
