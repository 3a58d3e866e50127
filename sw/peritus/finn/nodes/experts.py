# SPDX-License-Identifier: Apache-2.0
"""MoEMVAU: a matrix-vector unit with one set of weights per expert."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from peritus.finn.nodes.node import VECTORS, Parameter, PeritusNode, Stream, Table, Types
from peritus.reference import matmul
from peritus.reference.arithmetic import I64, Ints


class MoEMVAU(PeritusNode):
    """(x [..., MW] INT8, expert [..., 1] UINT16) -> x W[expert], [..., MH] INT24.

    weights: [experts * MW * MH], int8; of each expert [MW, MH], as FINN's MVAU has them. SIMD inputs times PE
    outputs per cycle.
    """

    module = "peritus_finn_experts"
    ports_in = (("valid_i", "ready_o", "data_i"), ("expert_valid_i", "expert_ready_o", "expert_i"))

    def attributes(self) -> Types:
        return {
            **VECTORS,
            "MW": ("i", True, 0),
            "MH": ("i", True, 0),
            "SIMD": ("i", False, 2),
            "PE": ("i", False, 1),
            "experts": ("i", True, 0),
            "weights": ("ints", True, []),
        }

    def streams_in(self) -> tuple[Stream, ...]:
        self.require_divides("SIMD", "MW", least=2)
        rows = self.vectors()
        return (
            Stream((*rows, self.number("MW")), self.number("SIMD"), "INT8"),
            Stream((*rows, 1), 1, "UINT16"),
        )

    def streams_out(self) -> tuple[Stream, ...]:
        self.require_divides("PE", "MH")
        return (Stream((*self.vectors(), self.number("MH")), self.number("PE"), "INT24"),)

    def weights(self) -> I64:
        """[experts, MW, MH]."""
        return self.numbers("weights").reshape(-1, self.number("MW"), self.number("MH"))

    def compute(self, *inputs: I64) -> tuple[Ints, ...]:
        x, expert = inputs[0], inputs[1][..., 0]
        out = np.zeros(self.streams_out()[0].shape, np.int64)
        for index, weights in enumerate(self.weights()):
            out[expert == index] = matmul(x[expert == index], weights)
        return (out,)

    def cycles(self) -> int:
        x, out = self.streams_in()[0], self.streams_out()[0]
        return x.beats * (self.number("MH") // out.lanes)

    def multipliers(self) -> int:
        return self.number("SIMD") * self.number("PE")

    def parameters(self) -> Mapping[str, Parameter]:
        names = {"Simd": "SIMD", "Lanes": "PE", "Inputs": "MW", "Outputs": "MH", "Experts": "experts"}
        return {**{p: self.number(name) for p, name in names.items()}, "OutW": 24}

    def table(self) -> Table:
        simd, lanes, w = self.number("SIMD"), self.number("PE"), self.weights()
        experts, inputs, outputs = w.shape
        folds = w.reshape(experts, inputs // simd, simd, outputs // lanes, lanes)
        return Table([(folds.transpose(0, 3, 1, 4, 2).reshape(-1, lanes * simd), 8)])
