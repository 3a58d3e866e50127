# SPDX-License-Identifier: Apache-2.0
"""Multi-head attention: scores, single-pass softmax, weighted sum of values."""

from __future__ import annotations

import numpy as np

from peritus.reference.arithmetic import I64, Ints, saturate
from peritus.reference.linear import matmul
from peritus.reference.reciprocal import reciprocal
from peritus.reference.requantize import requantize, rescale
from peritus.reference.softmax import probabilities, row_maximum


def stationary(value: Ints) -> I64:
    """Keys and values as the array holds them: int8 within ±127, so that it can pack two per multiplier."""
    return np.maximum(value.astype(np.int64, copy=False), -127)


def attention_scores(q: Ints, k: Ints, multiplier: int, shift: int) -> I64:
    """s = sat16(stage 1 of q . k), one head: int8 [queries, width], [keys, width] -> int16 [queries, keys].

    multiplier * 2^-shift = s_q s_k log2(e) 16 / sqrt(head_dim): scores are in 1/16 octaves.
    """
    return saturate(requantize(matmul(q, k.T), 0, multiplier, shift), 16)


def attention_values(scores: Ints, v: Ints, multiplier: Ints, shift: Ints, shift2: int) -> I64:
    """out = sat8(stage 2 (stage 1 (P . v)) / rowsum) for one head.

    scores: int16 [queries, keys]. v: int8 [keys, head_dim]. multiplier, shift: stage 1 [head_dim] (no bias:
    what a bias on V adds, the softmax passes through unchanged). shift2: added to the reciprocal's own shift;
    their sum is 1..63. Returns int8 values [queries, head_dim].
    """
    p = probabilities(scores, row_maximum(scores))
    y = requantize(matmul(p, v), 0, multiplier, shift)
    r, sh = reciprocal(p.sum(axis=-1, keepdims=True))
    return saturate(rescale(y, r, sh + shift2), 8)


def attention(
    q: Ints,
    k: Ints,
    v: Ints,
    score_multiplier: Ints,
    score_shift: Ints,
    multiplier: Ints,
    shift: Ints,
    shift2: int,
) -> I64:
    """All heads: int8 q, k, v [tokens, heads * head_dim] -> int8 values of the same shape.

    k and v count as clamped to ±127 (`stationary`). score_multiplier, score_shift: [heads].
    multiplier, shift: [heads * head_dim].
    """
    width = q.shape[1] // len(score_multiplier)
    k, v = stationary(k), stationary(v)
    parts = []
    for head, (score_mult, score_sh) in enumerate(zip(score_multiplier, score_shift, strict=True)):
        c = slice(head * width, (head + 1) * width)
        scores = attention_scores(q[:, c], k[:, c], int(score_mult), int(score_sh))
        parts.append(attention_values(scores, v[:, c], multiplier[c], shift[c], shift2))
    return np.concatenate(parts, axis=1)
