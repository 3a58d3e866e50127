# SPDX-License-Identifier: Apache-2.0
"""MoEDispatch: tokens sorted by expert."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from peritus.finn.nodes.node import Parameter, PeritusNode, Stream, Types
from peritus.reference import Routing
from peritus.reference.arithmetic import I64, Ints


class MoEDispatch(PeritusNode):
    """(x [1, NumTokens, NumChannels] INT8, routing of PeritusRouter) -> (rows, expert, source), by expert.

    rows: [1, NumTokens topk, NumChannels]. expert: UINT16 [1, NumTokens topk, 1]. source: UINT16
    [1, NumTokens topk, 2], token and score, for MoECombine. SIMD values per cycle.
    """

    module = "peritus_finn_dispatch"
    ports_in = (("valid_i", "ready_o", "data_i"), ("route_valid_i", "route_ready_o", "route_i"))
    ports_out = (
        ("valid_o", "ready_i", "data_o"),
        ("expert_valid_o", "expert_ready_i", "expert_o"),
        ("source_valid_o", "source_ready_i", "source_o"),
    )

    def attributes(self) -> Types:
        return {
            "NumTokens": ("i", True, 0),
            "NumChannels": ("i", True, 0),
            "experts": ("i", True, 0),
            "topk": ("i", True, 1),
            "SIMD": ("i", False, 1),
        }

    def streams_in(self) -> tuple[Stream, ...]:
        self.require_divides("SIMD", "NumChannels")
        self.require_at_most("topk", "experts")
        tokens, pairs = self.number("NumTokens"), 2 * self.number("topk")
        x = Stream((1, tokens, self.number("NumChannels")), self.number("SIMD"), "INT8")
        return (x, Stream((1, tokens, pairs), pairs, "UINT16"))

    def streams_out(self) -> tuple[Stream, ...]:
        rows = self.number("NumTokens") * self.number("topk")
        return (
            Stream((1, rows, self.number("NumChannels")), self.number("SIMD"), "INT8"),
            Stream((1, rows, 1), 1, "UINT16"),
            Stream((1, rows, 2), 2, "UINT16"),
        )

    def compute(self, *inputs: I64) -> tuple[Ints, ...]:
        x, pairs = inputs[0][0], inputs[1][0].reshape(self.number("NumTokens"), -1, 2)
        routing = Routing(pairs[..., 0], pairs[..., 1])
        queues = [routing.queue(expert) for expert in range(self.number("experts"))]
        tokens = np.concatenate([queue for queue, _ in queues])
        scores = np.concatenate([score for _, score in queues])
        experts = np.repeat(np.arange(len(queues)), [len(queue) for queue, _ in queues])
        return x[tokens], experts, np.stack([tokens, scores], axis=-1)

    def cycles(self) -> int:
        return self.streams_in()[0].beats + self.streams_out()[0].beats

    def parameters(self) -> Mapping[str, Parameter]:
        names = {"Lanes": "SIMD", "Channels": "NumChannels", "Tokens": "NumTokens", "Experts": "experts"}
        return {**{p: self.number(name) for p, name in names.items()}, "TopK": self.number("topk")}
