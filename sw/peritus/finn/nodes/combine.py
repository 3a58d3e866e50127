# SPDX-License-Identifier: Apache-2.0
"""MoECombine: the experts' results back into the residual stream."""

from __future__ import annotations

from collections.abc import Mapping

from peritus.finn.nodes.node import Parameter, PeritusNode, Stream, Types
from peritus.reference import rescale, residual_accumulate, saturate
from peritus.reference.arithmetic import I64, Ints

TURN = 6  # cycles between a frame's residual, its rows and its results, when nothing moves


class MoECombine(PeritusNode):
    """(rows INT24, source, residual INT16 [1, NumTokens, NumChannels]) -> residual + sum of score times row.

    rows: [1, NumTokens topk, NumChannels], with the source of MoEDispatch. score_shift: of
    peritus.ir.ops.Experts. The sum is wide and saturates once. PE values per cycle.
    """

    module = "peritus_finn_combine"
    ports_in = (
        ("valid_i", "ready_o", "data_i"),
        ("source_valid_i", "source_ready_o", "source_i"),
        ("residual_valid_i", "residual_ready_o", "residual_i"),
    )

    def attributes(self) -> Types:
        return {
            "NumTokens": ("i", True, 0),
            "NumChannels": ("i", True, 0),
            "topk": ("i", True, 1),
            "score_shift": ("i", True, 15),
            "PE": ("i", False, 1),
        }

    def streams_in(self) -> tuple[Stream, ...]:
        self.require_divides("PE", "NumChannels")
        tokens, channels, lanes = (self.number(name) for name in ("NumTokens", "NumChannels", "PE"))
        rows = tokens * self.number("topk")
        return (
            Stream((1, rows, channels), lanes, "INT24"),
            Stream((1, rows, 2), 2, "UINT16"),
            Stream((1, tokens, channels), lanes, "INT16"),
        )

    def streams_out(self) -> tuple[Stream, ...]:
        return self.streams_in()[2:]

    def compute(self, *inputs: I64) -> tuple[Ints, ...]:
        rows, source, total = (values[0] for values in inputs)
        total = total.copy()
        for row, (token, score) in zip(rows, source, strict=True):
            total[token] = residual_accumulate(total[token], rescale(row, score, self.number("score_shift")))
        return (saturate(total, 16),)

    def cycles(self) -> int:
        rows, _, residual = self.streams_in()
        return 2 * residual.beats + rows.beats + TURN

    def multipliers(self) -> int:
        return self.number("PE")

    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "Lanes": self.number("PE"),
            "Channels": self.number("NumChannels"),
            "Tokens": self.number("NumTokens"),
            "Rows": self.number("NumTokens") * self.number("topk"),
            "ScoreShift": self.number("score_shift"),
        }
