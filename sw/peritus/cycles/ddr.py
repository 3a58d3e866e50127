# SPDX-License-Identifier: Apache-2.0
"""The memory behind the ports (sim/ddr_model.hpp), burst by burst: latency, bandwidth, refresh, jitter.

Times are cycles, fractional where bandwidth decides. A burst's data are known by the cycle of their last beat:

    last = max(last of the port's burst before + beats,  due + beats - 1,  bandwidth's turn),   due = address + latency
"""

from __future__ import annotations

import random

from peritus.arch.config import BURST_BEATS, HwConfig
from peritus.runtime.rtl.simulation import DdrParameters

UNIT = 1 << 16  # bandwidths are whole multiples of 1/UNIT bytes per cycle


class Ddr:
    """beats: cycles of a burst on a port that is alone. burst: cycles of one at the sustained bandwidth."""

    def __init__(self, hw: HwConfig, ddr: DdrParameters) -> None:
        self.parameters = ddr
        self.bandwidth = round(ddr.bytes_per_cycle * UNIT) / UNIT
        self.beat_bytes = hw.axi_data_bytes
        self.port_rate = 1 - round(ddr.stall * 256) / 256  # beats a cycle that a port is not held back
        self.beats = BURST_BEATS / self.port_rate
        self.burst = BURST_BEATS * hw.axi_data_bytes / self.bandwidth
        # What the bucket saves up in idle time, in cycles: a beat for every channel, and one cycle's inflow.
        self.saved = (self.bandwidth + hw.axi_data_bytes * (hw.axi_ports + 1)) / self.bandwidth
        self.address_stall = 1 / self.port_rate - 1  # mean wait for ARREADY
        self._served = 0.0  # bandwidth is spoken for until then
        self._random = random.Random(ddr.seed)

    def due(self, address: float) -> float:
        """Earliest cycle of the first beat of a burst whose address is taken in cycle `address`."""
        jitter = self._random.randint(0, self.parameters.jitter) if self.parameters.jitter else 0
        return address + self.parameters.read_latency + jitter

    def data(self, due: float, port_last: float) -> float:
        """Cycle of the last beat of a whole burst; port_last: that of the port's burst before."""
        self._served = served = self.busy(max(self._served, due - self.saved), self.burst)
        beats = self.beats
        if self.parameters.refresh_period:
            return max(served - 1, self.busy(due, beats) - 1, self.busy(port_last, beats))
        return max(served - 1, due + beats - 1, port_last + beats)

    def used_until(self, cycle: float) -> None:
        """Others have had the bandwidth until then."""
        self._served = max(self._served, cycle)

    def busy(self, start: float, work: float) -> float:
        """When `work` cycles that begin at `start` are done: nothing moves during a refresh."""
        period, refresh = self.parameters.refresh_period, self.parameters.refresh_cycles
        if not refresh:
            return start + work
        useful = period - refresh
        if useful <= 0:
            return float("inf")
        into = max(0.0, start % period - refresh)  # useful cycles of this period that are over
        rounds, rest = divmod(into + work, useful)
        return start - start % period + rounds * period + refresh + rest
