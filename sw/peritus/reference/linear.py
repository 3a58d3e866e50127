# SPDX-License-Identifier: Apache-2.0
"""Exact integer matrix product."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from peritus.reference.arithmetic import I64, Ints

ACTIVATION_PEAK = 128  # largest magnitude of an int8 activation


def matmul(x: Ints, w: Ints) -> I64:
    """x @ w, exactly: [..., m, k] @ [..., k, n] -> int64 [..., m, n].

    The products run in the narrowest float type that provably holds every partial sum exactly (k * max|x| *
    max|w| below 2^24 for float32, 2^53 for float64), which reaches BLAS; the result is the integer product.
    """
    k = x.shape[-1]
    bound = k * _magnitude(x) * _magnitude(w)
    kind: npt.DTypeLike = np.float32 if bound < 1 << 24 else np.float64 if bound < 1 << 53 else np.int64
    product: I64 = np.matmul(x.astype(kind), w.astype(kind)).astype(np.int64)
    return product


def _magnitude(value: Ints) -> int:
    """An upper bound of the absolute values."""
    if value.dtype.itemsize == 1:
        return 255 if value.dtype.kind == "u" else 128
    return max(abs(int(value.min())), abs(int(value.max()))) if value.size else 0
