# SPDX-License-Identifier: Apache-2.0
"""PeritusGelu: GELU or ReLU of values in Q.8."""

from __future__ import annotations

from collections.abc import Mapping

from peritus.finn.nodes.node import VECTORS, Cxx, CxxNode, Parameter, Stream, Types
from peritus.reference import ACTIVATIONS
from peritus.reference.arithmetic import I64, Ints


class PeritusGelu(CxxNode):
    """y [..., NumChannels], INT17 to INT24 in Q.8 -> INT16 in Q.8. func: "gelu" or "relu". PE per cycle."""

    module = "peritus_finn_gelu"

    def attributes(self) -> Types:
        return {
            **VECTORS,
            "NumChannels": ("i", True, 0),
            "PE": ("i", False, 1),
            "inputDataType": ("s", False, "INT24"),
            "func": ("s", False, "gelu", {"gelu", "relu"}),
        }

    def streams_in(self) -> tuple[Stream, ...]:
        self.require_divides("PE", "NumChannels")
        shape = (*self.vectors(), self.number("NumChannels"))
        return (Stream(shape, self.number("PE"), self.get_nodeattr("inputDataType")),)

    def streams_out(self) -> tuple[Stream, ...]:
        (x,) = self.streams_in()
        return (Stream(x.shape, x.lanes, "INT16"),)

    def compute(self, *inputs: I64) -> tuple[Ints, ...]:
        return (ACTIVATIONS[self.get_nodeattr("func")](inputs[0]),)

    def cxx(self) -> Cxx:
        (x,) = self.streams_in()
        function = f"peritus::config::Function::{self.get_nodeattr('func').upper()}"
        return Cxx(f"gelu<{x.lanes}, {x.bits}>", (str(x.beats), function))

    def parameters(self) -> Mapping[str, Parameter]:
        (x,) = self.streams_in()
        return {"Lanes": x.lanes, "InW": x.bits, "Gelu": int(self.get_nodeattr("func") == "gelu")}
