# SPDX-License-Identifier: Apache-2.0
"""PeritusLayerNorm: layer normalization with exact integer variance."""

from __future__ import annotations

from collections.abc import Mapping

from peritus.finn.nodes.node import VECTORS, Parameter, PeritusNode, Stream, Table, Types, chunks
from peritus.reference import layernorm
from peritus.reference.arithmetic import I64, Ints


class PeritusLayerNorm(PeritusNode):
    """x [..., NumChannels] INT16 -> INT8; gamma, beta, shift, epsilon as of peritus.reference.layernorm."""

    module = "peritus_finn_layernorm"

    def attributes(self) -> Types:
        return {
            **VECTORS,
            "NumChannels": ("i", True, 0),
            "SIMD": ("i", False, 2),
            "gamma": ("ints", True, []),
            "beta": ("ints", True, []),
            "shift": ("ints", True, []),
            "epsilon": ("i", True, 0),
        }

    def streams_in(self) -> tuple[Stream, ...]:
        self.require_divides("SIMD", "NumChannels", least=2)
        return (Stream((*self.vectors(), self.number("NumChannels")), self.number("SIMD"), "INT16"),)

    def streams_out(self) -> tuple[Stream, ...]:
        (x,) = self.streams_in()
        return (Stream(x.shape, x.lanes, "INT8"),)

    def compute(self, *inputs: I64) -> tuple[Ints, ...]:
        gamma, beta, shift = (self.numbers(name) for name in ("gamma", "beta", "shift"))
        return (layernorm(inputs[0], gamma, beta, shift, self.number("epsilon")),)

    def multipliers(self) -> int:
        return 12 + 3 * self.number("SIMD") // 2  # the line through 4 and 8 values per cycle

    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "Lanes": self.number("SIMD"),
            "Channels": self.number("NumChannels"),
            "Epsilon": f"32'd{self.number('epsilon')}",
        }

    def table(self) -> Table:
        lanes = self.number("SIMD")
        fields = (("beta", 32), ("gamma", 16), ("shift", 8))
        return Table([(chunks(self.numbers(name), lanes), bits) for name, bits in fields])
