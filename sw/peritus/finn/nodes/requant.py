# SPDX-License-Identifier: Apache-2.0
"""PeritusRequant: bias, multiplier and shift by channel, and saturation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from peritus.finn.nodes.node import VECTORS, Cxx, CxxNode, Parameter, Stream, Table, Types, chunks
from peritus.reference import rescale, saturate
from peritus.reference.arithmetic import I64, Ints


class PeritusRequant(CxxNode):
    """x [..., NumChannels] -> sat(rhu((x + bias) multiplier, shift) + zero_point), INT8, INT16 or INT24.

    bias: int32, multiplier: uint16, shift: 1..47 (63 without bias), [sets * NumChannels]. With sets > 1 a
    second input, UINT16 [..., 1], says which set a row takes: the expert. x + bias within 27 bits.
    zero_point: the integer that is 0, within the output's type.
    """

    module = "peritus_finn_requant"
    ports_in = (("valid_i", "ready_o", "data_i"), ("index_valid_i", "index_ready_o", "index_data_i"))

    def attributes(self) -> Types:
        return {
            **VECTORS,
            "NumChannels": ("i", True, 0),
            "PE": ("i", False, 1),
            "inputDataType": ("s", True, ""),
            "outputDataType": ("s", False, "INT8", {"INT8", "INT16", "INT24"}),
            "bias": ("ints", True, []),
            "multiplier": ("ints", True, []),
            "shift": ("ints", True, []),
            "sets": ("i", False, 1),
            "zero_point": ("i", False, 0),
        }

    def streams_in(self) -> tuple[Stream, ...]:
        self.require_divides("PE", "NumChannels")
        rows = self.vectors()
        x = Stream((*rows, self.number("NumChannels")), self.number("PE"), self.get_nodeattr("inputDataType"))
        return (x,) if self.number("sets") == 1 else (x, Stream((*rows, 1), 1, "UINT16"))

    def streams_out(self) -> tuple[Stream, ...]:
        x = self.streams_in()[0]
        return (Stream(x.shape, x.lanes, self.get_nodeattr("outputDataType")),)

    def compute(self, *inputs: I64) -> tuple[Ints, ...]:
        x, *index = inputs
        names = ("bias", "multiplier", "shift")
        sets = (self.numbers(name).reshape(self.number("sets"), -1) for name in names)
        bias, multiplier, shift = (values[index[0][..., 0] if index else 0] for values in sets)
        (out,) = self.streams_out()
        return (saturate(rescale(x + bias, multiplier, shift) + self.number("zero_point"), out.bits),)

    def cxx(self) -> Cxx:
        x, (out,) = self.streams_in()[0], self.streams_out()
        kinds = {"bias": "std::int32_t", "multiplier": "std::uint16_t", "shift": "std::uint8_t"}
        tables = {name.upper(): (kind, self.numbers(name).tolist()) for name, kind in kinds.items()}
        sizes = x.lanes, x.bits, out.bits, self.number("NumChannels"), self.number("zero_point")
        function = f"requant<{', '.join(map(str, sizes))}>"
        return Cxx(function, (str(math.prod(self.vectors())), *tables), tables)

    def multipliers(self) -> int:
        return self.number("PE")

    def parameters(self) -> Mapping[str, Parameter]:
        x, (out,) = self.streams_in()[0], self.streams_out()
        return {
            "Lanes": x.lanes,
            "InW": x.bits,
            "OutW": out.bits,
            "Channels": self.number("NumChannels"),
            "Sets": self.number("sets"),
            "ZeroPoint": self.number("zero_point"),
        }

    def table(self) -> Table:
        fields = (("bias", 32), ("multiplier", 16), ("shift", 8))
        lanes = self.number("PE")
        return Table([(chunks(self.numbers(name), lanes), bits) for name, bits in fields])

    def other_connections(self) -> Sequence[str]:
        if self.number("sets") > 1:
            return ()
        return (".index_valid_i(1'b1)", ".index_ready_o()", ".index_data_i(1'b0)")
