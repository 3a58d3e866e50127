# SPDX-License-Identifier: Apache-2.0
"""Single-pass softmax: 8-bit numerators from a table, the division left to the epilogue of P.V."""

from __future__ import annotations

import numpy as np

from peritus.reference.arithmetic import I64, Ints
from peritus.reference.tables import EXP

PROBABILITY_PEAK = 255


def row_maximum(scores: Ints) -> I64:
    """M[q] = max over keys: int16 [..., queries, keys], valid keys only -> [..., queries, 1]."""
    maximum: I64 = scores.max(axis=-1, keepdims=True).astype(np.int64)
    return maximum


def probabilities(scores: Ints, maximum: Ints) -> I64:
    """Unnormalized P = EXP[min(M - s, 255)].

    scores: int16 in 1/16 octaves [..., queries, keys]. maximum: row_maximum(scores).
    Returns uint8 values of the same shape; the largest of each row is 255. sum(P) is the row sum.
    """
    return np.take(EXP, np.minimum(np.subtract(maximum, scores, dtype=np.int64), 255))
