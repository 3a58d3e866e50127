# SPDX-License-Identifier: Apache-2.0
"""PeritusEmbed: prefix tokens and the position table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from peritus.finn.nodes.node import Parameter, PeritusNode, Stream, Table, Types, chunks
from peritus.reference import residual_add
from peritus.reference.arithmetic import I64, Ints


class PeritusEmbed(PeritusNode):
    """patches [1, NumTokens - prefix, NumChannels] INT16 -> [1, NumTokens, NumChannels] INT16.

    position: [NumTokens * NumChannels]; the first `prefix` rows leave as they are, the others plus a patch.
    """

    module = "peritus_finn_embed"

    def attributes(self) -> Types:
        return {
            "NumTokens": ("i", True, 0),
            "NumChannels": ("i", True, 0),
            "prefix": ("i", False, 0),
            "PE": ("i", False, 1),
            "position": ("ints", True, []),
        }

    def streams_in(self) -> tuple[Stream, ...]:
        self.require_divides("PE", "NumChannels")
        patches = self.number("NumTokens") - self.number("prefix")
        return (Stream((1, patches, self.number("NumChannels")), self.number("PE"), "INT16"),)

    def streams_out(self) -> tuple[Stream, ...]:
        shape = (1, self.number("NumTokens"), self.number("NumChannels"))
        return (Stream(shape, self.number("PE"), "INT16"),)

    def compute(self, *inputs: I64) -> tuple[Ints, ...]:
        (out,), prefix = self.streams_out(), self.number("prefix")
        position = self.numbers("position").reshape(out.shape)
        rows = residual_add(position[:, prefix:], inputs[0])
        return (np.concatenate([position[:, :prefix], rows], axis=1),)

    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "Lanes": self.number("PE"),
            "Channels": self.number("NumChannels"),
            "Rows": self.number("NumTokens"),
            "Prefix": self.number("prefix"),
        }

    def table(self) -> Table:
        return Table([(chunks(self.numbers("position"), self.number("PE")), 16)])
