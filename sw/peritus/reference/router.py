# SPDX-License-Identifier: Apache-2.0
"""Top-k routing on integer logits; scores are a softmax over all experts, not renormalized (M3ViT)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from peritus.reference.arithmetic import I64, Ints, rhu
from peritus.reference.reciprocal import reciprocal
from peritus.reference.tables import EXP2


@dataclass(frozen=True)
class Routing:
    """experts: [tokens, k] chosen experts, best first. scores: [tokens, k] in Q1.15, 0..32768 (= 1.0)."""

    experts: I64
    scores: I64

    def queue(self, expert: int) -> tuple[I64, I64]:
        """(tokens, scores) routed to `expert`, in token order: the contents of its hardware queue."""
        tokens, rank = np.nonzero(self.experts == expert)
        return tokens.astype(np.int64), self.scores[tokens, rank]


def route(logits: Ints, top_k: int) -> Routing:
    """The top_k experts of each token and their scores.

    logits: int16 [tokens, experts] in 1/256 octaves; 1 <= top_k <= experts <= 64. The lowest index wins ties.
    With d = max - logit: e = EXP2[d & 255] >> (d >> 8); (r, sh) = reciprocal(sum of e over all experts);
    score = min(32768, rhu(e r, sh - 15)).
    """
    wide = logits.astype(np.int64)
    d = wide.max(axis=1, keepdims=True) - wide
    e = EXP2[d & 255] >> np.minimum(d >> 8, 16)  # a shift by 16 leaves 0
    r, sh = reciprocal(e.sum(axis=1, keepdims=True))
    scores = np.minimum(32768, rhu(e * r, sh - 15))
    experts = np.argsort(d, axis=1, kind="stable")[:, :top_k]
    return Routing(experts, np.take_along_axis(scores, experts, axis=1))
