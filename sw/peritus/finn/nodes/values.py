# SPDX-License-Identifier: Apache-2.0
"""PeritusValues: attention's weighted sum of values, divided by the row sums."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from peritus.finn.nodes.node import Parameter, PeritusNode, Stream, Table, Types, chunks
from peritus.finn.nodes.scores import ATTENTION
from peritus.finn.nodes.softmax import FACTOR, MANTISSA_BITS
from peritus.reference import matmul, requantize, rescale, saturate, stationary
from peritus.reference.arithmetic import I64, Ints

LEAVES = 2  # cycles from a row's last key to its sums


class PeritusValues(PeritusNode):
    """(p, factor, v) -> [1, NumTokens, heads head_dim] INT8.

    p: [1, NumTokens, heads, NumTokens] UINT8 and factor: [1, NumTokens, heads, 1] UINT22 of PeritusSoftmax.
    v: [1, NumTokens, heads head_dim] INT8. multiplier, shift: [heads head_dim]; shift2 as of
    peritus.reference.attention_values. PE values leave per cycle.
    """

    module = "peritus_finn_values"
    ports_in = (
        ("p_valid_i", "p_ready_o", "p_i"),
        ("factor_valid_i", "factor_ready_o", "factor_i"),
        ("v_valid_i", "v_ready_o", "v_i"),
    )

    def attributes(self) -> Types:
        return {
            **ATTENTION,
            "PE": ("i", False, 1),
            "multiplier": ("ints", True, []),
            "shift": ("ints", True, []),
            "shift2": ("i", False, 0),
        }

    def streams_in(self) -> tuple[Stream, ...]:
        self.require_divides("PE", "head_dim")
        tokens, heads, width = (self.number(name) for name in ("NumTokens", "heads", "head_dim"))
        return (
            Stream((1, tokens, heads, tokens), 1, "UINT8"),
            Stream((1, tokens, heads, 1), 1, FACTOR),
            Stream((1, tokens, heads * width), width, "INT8"),
        )

    def streams_out(self) -> tuple[Stream, ...]:
        return (Stream(self.streams_in()[2].shape, self.number("PE"), "INT8"),)

    def compute(self, *inputs: I64) -> tuple[Ints, ...]:
        p, factor, v = (values[0] for values in inputs)
        heads = self.number("heads")
        v = stationary(v).reshape(len(v), heads, -1)
        sums = np.stack([matmul(p[:, head], v[:, head]) for head in range(heads)], axis=1)
        multiplier, shift = (self.numbers(name).reshape(heads, -1) for name in ("multiplier", "shift"))
        mantissa, row_shift = factor & ((1 << MANTISSA_BITS) - 1), factor >> MANTISSA_BITS
        y = requantize(sums, 0, multiplier, shift)
        return (saturate(rescale(y, mantissa, row_shift + self.number("shift2")), 8),)

    def cycles(self) -> int:
        """The values in, then every row: its keys, or as long as the row before takes to leave."""
        p, factor, v = self.streams_in()
        leaving = self.number("head_dim") // self.number("PE") + LEAVES
        return v.beats + factor.beats * max(p.beats // factor.beats, leaving)

    def multipliers(self) -> int:
        return self.number("head_dim") + 2 * self.number("PE")  # products, two scales

    def parameters(self) -> Mapping[str, Parameter]:
        names = {"HeadDim": "head_dim", "Heads": "heads", "Tokens": "NumTokens", "Lanes": "PE"}
        return {
            **{parameter: self.number(name) for parameter, name in names.items()},
            "Shift2": self.number("shift2"),
        }

    def table(self) -> Table:
        lanes = self.number("PE")
        return Table(
            [(chunks(self.numbers("multiplier"), lanes), 16), (chunks(self.numbers("shift"), lanes), 8)]
        )
