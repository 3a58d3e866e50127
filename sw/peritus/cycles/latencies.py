# SPDX-License-Identifier: Apache-2.0
"""Cycles between events of the pipeline: from peritus.arch.units, and registers of the RTL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from peritus.arch.chase import norm_latency
from peritus.arch.config import CASCADE, HwConfig
from peritus.arch.units import at, latency


@dataclass(frozen=True)
class Latencies:
    """Counted from the cycle in which the streamer takes a tile, or issues a row.

    entered: until the swap is at the array; what waited for it knows one cycle later.
    columns_free: from then on until a column of all rows (keys) may be overwritten by the tile after it.
    rows_free: the same for rows that come 2 or 4 a cycle.
    take_at: words of such a tile after which it may be taken, if the others are sure to arrive.
    params_free: until the next parameters may be loaded.
    written: from the last row until its result is written and the streamer idle.
    routed: from the last row of a gate until the queues are complete.
    norm: of LayerNorm, from the first read of a residual to its first write, but for n_tiles.
    """

    entered: int
    columns_free: int
    rows_free: Mapping[int, int]
    take_at: Mapping[int, int]
    params_free: int
    written: int
    routed: int
    norm: int

    @classmethod
    def of(cls, hw: HwConfig) -> Latencies:
        """Of a configuration."""
        issued = 1  # register of the streamer
        array, groups, last = at("ARRAY", hw.dsp_ratio), hw.pk // CASCADE, hw.mac_stage(CASCADE - 1)
        rates = (2, 4)  # rows in a weight word
        written = issued + at("RESULT", hw.dsp_ratio) + 1  # register of the write-back
        gate = latency("gate_score", experts=hw.max_experts, top_k=hw.max_top_k)
        return cls(
            entered=issued + array + 1,
            columns_free=last + 1,
            rows_free={rows: max(0, last - (hw.pk - groups) // rows) for rows in rates},
            take_at={
                rows: max(1, hw.pk // rows - array - hw.mac_stage((hw.pk - rows) // groups)) for rows in rates
            },
            params_free=issued + at("SUM", hw.dsp_ratio) + 1,
            written=written + 1,
            routed=written + gate + 2,
            norm=norm_latency(hw, 0),
        )
