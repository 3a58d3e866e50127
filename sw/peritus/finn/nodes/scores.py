# SPDX-License-Identifier: Apache-2.0
"""PeritusScores: q . k of every head, a product of two activations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from peritus.finn.nodes.node import Parameter, PeritusNode, Stream, Table, Types, chunks
from peritus.reference import attention_scores, stationary
from peritus.reference.arithmetic import I64, Ints

ATTENTION: Types = {"NumTokens": ("i", True, 0), "heads": ("i", True, 1), "head_dim": ("i", True, 2)}


class PeritusScores(PeritusNode):
    """(q, k), [1, NumTokens, heads head_dim] INT8 -> scores [1, NumTokens, heads, NumTokens] INT16.

    multiplier, shift: [heads]. A head of a token is a beat: nothing else folds.
    """

    module = "peritus_finn_scores"
    ports_in = (("q_valid_i", "q_ready_o", "q_i"), ("k_valid_i", "k_ready_o", "k_i"))

    def attributes(self) -> Types:
        return {**ATTENTION, "multiplier": ("ints", True, []), "shift": ("ints", True, [])}

    def streams_in(self) -> tuple[Stream, ...]:
        width = self.number("heads") * self.number("head_dim")
        one = Stream((1, self.number("NumTokens"), width), self.number("head_dim"), "INT8")
        return (one, one)

    def streams_out(self) -> tuple[Stream, ...]:
        tokens = self.number("NumTokens")
        return (Stream((1, tokens, self.number("heads"), tokens), 1, "INT16"),)

    def compute(self, *inputs: I64) -> tuple[Ints, ...]:
        q, k = (values[0].reshape(len(values[0]), self.number("heads"), -1) for values in inputs)
        scales = zip(self.numbers("multiplier"), self.numbers("shift"), strict=True)
        return (
            np.stack(
                [
                    attention_scores(q[:, head], stationary(k[:, head]), int(multiplier), int(shift))
                    for head, (multiplier, shift) in enumerate(scales)
                ],
                axis=1,
            ),
        )

    def cycles(self) -> int:
        keys = self.streams_in()[1].beats
        return keys + keys * self.number("NumTokens")

    def multipliers(self) -> int:
        return self.number("head_dim") + 1  # products, scale

    def parameters(self) -> Mapping[str, Parameter]:
        names = {"HeadDim": "head_dim", "Heads": "heads", "Tokens": "NumTokens"}
        return {parameter: self.number(name) for parameter, name in names.items()}

    def table(self) -> Table:
        return Table([(chunks(self.numbers("multiplier"), 1), 16), (chunks(self.numbers("shift"), 1), 8)])
