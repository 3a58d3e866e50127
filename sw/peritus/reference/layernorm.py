# SPDX-License-Identifier: Apache-2.0
"""Layer normalization with exact integer variance."""

from __future__ import annotations

import numpy as np

from peritus.reference.arithmetic import I64, Ints, rhu, saturate
from peritus.reference.rsqrt import rsqrt


def layernorm(residual: Ints, gamma: Ints, beta: Ints, shift: Ints, epsilon: int) -> I64:
    """q = sat8(rhu(xhat * gamma + beta, shift)), xhat = (x - mean) / sqrt(variance + epsilon) in Q5.10.

    residual: [tokens, N], saturated to x of 16 bits first. gamma: int16 [N]. beta: int32 [N]. shift: [N],
    1..47. epsilon: uint32, the float epsilon times N^2 / residual_scale^2. With S = sum x, Q = sum x^2, V =
    clamp(N Q - S^2 + epsilon, 1, 2^48 - 1) and (r, half) = rsqrt(V): xhat = sat16(rhu((N x - S) r, 6 +
    half)). Returns int8 values [tokens, N].
    """
    x = saturate(residual, 16)
    n = x.shape[-1]
    total = x.sum(axis=-1, keepdims=True)
    squares = (x * x).sum(axis=-1, keepdims=True)
    variance = np.clip(n * squares - total * total + epsilon, 1, (1 << 48) - 1)
    r, half = rsqrt(variance)
    xhat = saturate(rhu((n * x - total) * r, 6 + half), 16)
    return saturate(rhu(xhat * gamma.astype(np.int64) + beta, shift), 8)
