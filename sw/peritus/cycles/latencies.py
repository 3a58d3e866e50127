# SPDX-License-Identifier: Apache-2.0
"""Cycles between events of the pipeline: from peritus.arch.units, and registers of the RTL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from peritus.arch.config import CASCADE, HwConfig
from peritus.arch.units import at, latency


@dataclass(frozen=True)
class Latencies:
    """Counted from the cycle in which the streamer takes a tile, or issues a row.

    rows_free, columns_free: until a stationary row (weights, values), or a column of all rows (keys), may be
        overwritten by the tile after it.
    params_free: until the next parameters may be loaded.
    written: from the last row until its result is written and the streamer idle.
    routed: from the last row of a gate until the queues are complete.
    norm: of LayerNorm, from the first read of a residual to its first write, but for n_tiles.
    """

    rows_free: int
    columns_free: int
    params_free: int
    written: int
    routed: int
    norm: int

    @classmethod
    def of(cls, hw: HwConfig) -> Self:
        """Of a configuration."""
        issued = 1  # register of the streamer
        entered = (
            issued + at("ARRAY") + 1
        )  # the swap is at the array; what waited for it knows one cycle later
        row_guard = 0 if hw.pk >= 2 * CASCADE else CASCADE // 2
        written = issued + at("RESULT") + 1  # register of the write-back
        gate = latency("gate_score", experts=hw.max_experts, top_k=hw.max_top_k)
        return cls(
            rows_free=entered + row_guard,
            columns_free=entered + CASCADE,
            params_free=issued + at("SUM") + 1,
            written=written + 1,
            routed=written + gate + 2,
            norm=2 + latency("norm_stats", lanes=hw.pn) + latency("norm_replay") + latency("norm_lanes"),
        )
