# SPDX-License-Identifier: Apache-2.0
"""PeritusRouter: the best experts of each token, and their scores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from peritus.finn.nodes.node import VECTORS, Parameter, PeritusNode, Stream, Types
from peritus.reference import route
from peritus.reference.arithmetic import I64, Ints


class PeritusRouter(PeritusNode):
    """logits [..., NumChannels] INT16 in 1/256 octaves -> [..., 2 topk] UINT16: expert and score, best first.

    All logits of a token are one beat, so nothing folds. Scores are Q1.15, a softmax over all experts.
    """

    module = "peritus_finn_router"

    def attributes(self) -> Types:
        return {**VECTORS, "NumChannels": ("i", True, 0), "topk": ("i", True, 1)}

    def streams_in(self) -> tuple[Stream, ...]:
        self.require_at_most("topk", "NumChannels")
        experts = self.number("NumChannels")
        return (Stream((*self.vectors(), experts), experts, "INT16"),)

    def streams_out(self) -> tuple[Stream, ...]:
        (x,) = self.streams_in()
        values = 2 * self.number("topk")
        return (Stream((*x.shape[:-1], values), values, "UINT16"),)

    def compute(self, *inputs: I64) -> tuple[Ints, ...]:
        (logits,) = inputs
        found = route(logits.reshape(-1, logits.shape[-1]), self.number("topk"))
        return (np.stack([found.experts, found.scores], axis=-1),)

    def multipliers(self) -> int:
        return self.number("topk") + 2  # scores, the reciprocal

    def parameters(self) -> Mapping[str, Parameter]:
        return {"Experts": self.number("NumChannels"), "TopK": self.number("topk")}
