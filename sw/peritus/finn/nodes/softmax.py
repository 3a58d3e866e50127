# SPDX-License-Identifier: Apache-2.0
"""PeritusSoftmax: the single-pass softmax, its division left to the reader."""

from __future__ import annotations

from collections.abc import Mapping

from peritus.finn.nodes.node import VECTORS, Parameter, PeritusNode, Stream, Types
from peritus.reference import probabilities, reciprocal, row_maximum
from peritus.reference.arithmetic import I64, Ints

MANTISSA_BITS = 16
FACTOR = "UINT22"  # shift above mantissa


class PeritusSoftmax(PeritusNode):
    """scores [..., NumChannels] INT16 in 1/16 octaves -> (p UINT8 of the same shape, factor UINT22 [..., 1]).

    factor = shift 2^16 + mantissa with mantissa 2^-shift = 1 / sum(p): p times that are the probabilities.
    """

    module = "peritus_finn_softmax"
    ports_out = (("valid_o", "ready_i", "data_o"), ("factor_valid_o", "factor_ready_i", "factor_o"))

    def attributes(self) -> Types:
        return {**VECTORS, "NumChannels": ("i", True, 0), "SIMD": ("i", False, 2)}

    def streams_in(self) -> tuple[Stream, ...]:
        self.require_divides("SIMD", "NumChannels", least=2)
        return (Stream((*self.vectors(), self.number("NumChannels")), self.number("SIMD"), "INT16"),)

    def streams_out(self) -> tuple[Stream, ...]:
        (x,) = self.streams_in()
        return (Stream(x.shape, x.lanes, "UINT8"), Stream((*x.shape[:-1], 1), 1, FACTOR))

    def compute(self, *inputs: I64) -> tuple[Ints, ...]:
        p = probabilities(inputs[0], row_maximum(inputs[0]))
        mantissa, shift = reciprocal(p.sum(axis=-1, keepdims=True))
        return p, (shift << MANTISSA_BITS) + mantissa

    def multipliers(self) -> int:
        return 2  # of the reciprocal

    def parameters(self) -> Mapping[str, Parameter]:
        return {"Lanes": self.number("SIMD"), "Keys": self.number("NumChannels")}
