# SPDX-License-Identifier: Apache-2.0
"""PeritusAdd: the residual addition."""

from __future__ import annotations

from collections.abc import Mapping

from peritus.finn.nodes.node import VECTORS, Parameter, PeritusNode, Stream, Types
from peritus.reference import residual_add
from peritus.reference.arithmetic import I64, Ints


class PeritusAdd(PeritusNode):
    """(residual, contribution), both [..., NumChannels] INT16 -> their sum, saturated to INT16."""

    module = "peritus_finn_add"
    ports_in = (("a_valid_i", "a_ready_o", "a_data_i"), ("b_valid_i", "b_ready_o", "b_data_i"))

    def attributes(self) -> Types:
        return {**VECTORS, "NumChannels": ("i", True, 0), "PE": ("i", False, 1)}

    def streams_in(self) -> tuple[Stream, ...]:
        self.require_divides("PE", "NumChannels")
        one = Stream((*self.vectors(), self.number("NumChannels")), self.number("PE"), "INT16")
        return (one, one)

    def streams_out(self) -> tuple[Stream, ...]:
        return self.streams_in()[:1]

    def compute(self, *inputs: I64) -> tuple[Ints, ...]:
        return (residual_add(*inputs),)

    def parameters(self) -> Mapping[str, Parameter]:
        return {"Lanes": self.number("PE")}
