# SPDX-License-Identifier: Apache-2.0
"""PeritusFork: one stream to several readers (FINN's DuplicateStreams exists in HLS only)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from peritus.finn.nodes.node import VECTORS, Parameter, PeritusNode, Stream, Types
from peritus.reference.arithmetic import I64, Ints


class PeritusFork(PeritusNode):
    """x [..., NumChannels] -> NumOutputStreams copies."""

    module = "peritus_finn_fork"
    ports_out = ()

    def attributes(self) -> Types:
        return {
            **VECTORS,
            "NumChannels": ("i", True, 0),
            "NumOutputStreams": ("i", True, 2),
            "PE": ("i", False, 1),
            "inputDataType": ("s", True, ""),
        }

    def streams_in(self) -> tuple[Stream, ...]:
        self.require_divides("PE", "NumChannels")
        shape = (*self.vectors(), self.number("NumChannels"))
        return (Stream(shape, self.number("PE"), self.get_nodeattr("inputDataType")),)

    def streams_out(self) -> tuple[Stream, ...]:
        return self.streams_in() * self.number("NumOutputStreams")

    def compute(self, *inputs: I64) -> tuple[Ints, ...]:
        return (inputs[0],) * self.number("NumOutputStreams")

    def parameters(self) -> Mapping[str, Parameter]:
        return {"Width": self.get_instream_width(), "Copies": self.number("NumOutputStreams")}

    def other_connections(self) -> Sequence[str]:
        copies, width = self.number("NumOutputStreams"), self.get_instream_width()
        sides = {"valid_o": "TVALID", "ready_i": "TREADY", "data_o": f"TDATA[{width - 1}:0]"}
        return [
            f".{port}({{{', '.join(f'out{i}_V_{side}' for i in reversed(range(copies)))}}})"
            for port, side in sides.items()
        ]
