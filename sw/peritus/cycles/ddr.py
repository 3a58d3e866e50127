# SPDX-License-Identifier: Apache-2.0
"""The memory behind the ports (sim/ddr_model.hpp), burst by burst: latency, bandwidth, refresh, jitter.

Times are cycles, fractional where bandwidth decides. A burst is known by the cycle of its last beat:

    last = max(last of the port's burst before + beats,  due + beats - 1,  the bandwidth's turn)
    due  = address + latency
"""

from __future__ import annotations

from math import ceil

from peritus.arch.config import BURST_BEATS, HwConfig
from peritus.cycles.errors import CycleError
from peritus.runtime.rtl.simulation import DdrParameters

_WORD = (1 << 64) - 1
_SAMPLE = 8192  # cycles
UNIT = 1 << 16  # bandwidths are whole multiples of 1/UNIT bytes per cycle


class Draws:
    """The numbers that sim/fifo.hpp draws from a seed."""

    def __init__(self, seed: int) -> None:
        self._state = (seed * 0x9E3779B97F4A7C15 | 1) & _WORD

    def below(self, limit: int) -> int:
        """The next one, 0..limit-1."""
        state = self._state
        state ^= state >> 12
        state ^= state << 25 & _WORD
        self._state = state = state ^ state >> 27
        return ((state * 0x2545F4914F6CDD1D & _WORD) >> 32) % limit


class Ddr:
    """The ports' data.

    beats: cycles of a burst on each port while it is alone. burst: of one at the sustained bandwidth. fair:
    of each port's while all have one at once. others: of the stream's other ports, for each burst of the
    stream. A group behind one port of the controller (`shared`) is taken to be as busy as its members.
    served: the bandwidth is spoken for until then.

    Args:
        program_bytes: read by port 0 before the first job; they have had their numbers of the jitter.
        phase: cycles of a refresh period that are over when the frame begins.
    """

    def __init__(self, hw: HwConfig, ddr: DdrParameters, program_bytes: int, phase: int) -> None:
        if ddr.refresh_period and ddr.refresh_cycles >= ddr.refresh_period:
            raise CycleError(
                f"refresh_cycles = {ddr.refresh_cycles}, must be below "
                f"refresh_period = {ddr.refresh_period}: nothing would ever move"
            )
        self.parameters, self._phase = ddr, phase
        self._refreshed = ddr.refresh_cycles > 0
        self.calm = not (ddr.refresh_cycles or ddr.jitter or ddr.stall)  # nothing disturbs it
        self.beat_bytes = hw.axi_data_bytes
        self.bandwidth = _sustained(round(ddr.bytes_per_cycle * UNIT) / UNIT, hw, ddr)
        self.port_rate = 1 - round(ddr.stall * 256) / 256  # beats a cycle that a port is not held back
        self.beats = [self._alone(port, hw) for port in range(hw.axi_ports)]
        self.burst = BURST_BEATS * hw.axi_data_bytes / self.bandwidth
        rates = self._fair_rates(BURST_BEATS * hw.axi_data_bytes)
        self.fair = [BURST_BEATS * hw.axi_data_bytes / rate for rate in rates]
        self.others = [self.burst * (1 - rate / self.bandwidth) for rate in rates]
        # What the bucket saves up in idle time, in cycles: a beat for every channel, and one cycle's inflow.
        self.saved = (self.bandwidth + hw.axi_data_bytes * (hw.axi_ports + 1)) / self.bandwidth
        self.stall = 1 / self.port_rate - 1  # mean wait of a channel that is held back
        self.served = 0.0
        self._draws = [Draws(8 * ddr.seed + 2 * port) for port in range(hw.axi_ports)]
        self._write_draws = Draws(8 * ddr.seed + 1)
        for _ in range(-(-program_bytes // (BURST_BEATS * hw.axi_data_bytes))):
            self._jitter(self._draws[0])

    def _alone(self, port: int, hw: HwConfig) -> float:
        """Cycles of a burst: by the port's width, by what it gets, by its part of what its group gets."""
        ddr, least = self.parameters, 1 / self.port_rate
        if ddr.port_bytes_per_cycle[port : port + 1]:
            least = max(least, self.beat_bytes / ddr.port_bytes_per_cycle[port])
        for group in ddr.shared:
            members = sum(member < hw.axi_ports for member in group)
            if port in group:
                least = max(least, self.beat_bytes * members / ddr.shared_bytes_per_cycle)
        return BURST_BEATS * least

    def _fair_rates(self, burst_bytes: int) -> list[float]:
        """Bytes a cycle of each port while all have data due: alike, but none gets more than it can move."""
        most = [burst_bytes / beats for beats in self.beats]
        rates, left = [0.0] * len(most), self.bandwidth
        for done, port in enumerate(sorted(range(len(most)), key=most.__getitem__)):
            rates[port] = min(most[port], left / (len(most) - done))
            left -= rates[port]
        return rates

    def due(self, address: float, port: int) -> float:
        """Earliest cycle of the first beat of a burst whose address is taken in cycle `address`."""
        return address + self.parameters.read_latency + self._jitter(self._draws[port])

    def response(self, granted: float) -> float:
        """Of a burst whose last written beat was granted in that cycle."""
        return granted + self.parameters.write_latency + self.stall + self._jitter(self._write_draws)

    def _jitter(self, draws: Draws) -> int:
        """Of the first frame after a load, unless channels are held back: those draw as well."""
        return draws.below(self.parameters.jitter + 1) if self.parameters.jitter else 0

    def rest(self, cycle: float, port: int, part: float) -> float:
        """Cycle of the last beat of a burst of which a part is left, while all ports have data due."""
        self.served = self.busy(self.served, self.burst * part)
        return self.busy(cycle, self.fair[port] * part) - 1

    def data(self, due: float, port: int, port_last: float, after: int) -> float:
        """Cycle of the last beat of a burst.

        port_last: that of its port's burst before. after: bursts of the stream that are still to come.
        """
        served = due - self.saved
        if served < self.served:
            served = self.served
        start = due if due > port_last + 1 else port_last + 1
        if self._refreshed:
            self.served = done = self.busy(served, self.burst)
            alone, shared = self.busy(start, self.beats[port]), self.busy(start, self.fair[port])
        else:
            self.served = done = served + self.burst
            alone, shared = start + self.beats[port], start + self.fair[port]
        # Called for every burst: comparisons instead of max and min.
        last = ceil(done) + self.stall
        if alone - 1 > last:
            last = alone - 1
        if due < port_last and due < served:
            # Every port has data due and gets as much as the others; at the end the one that lags is alone.
            at_the_end = done + after * self.others[port]
            if at_the_end > last:
                last = at_the_end
            if shared - 1 < last:
                last = shared - 1
        return last

    def soonest(self, port: int, behind: int, left: int) -> float:
        """Last beat of a port's burst with `behind` requested after it, and `left` to come, if it lags."""
        return self.served - behind * self.burst + (behind + left) * self.others[port]

    def saved_at(self, cycle: float) -> float:
        """Bandwidth saved by then, in beats, besides that of the cycle itself."""
        cycles = min(self.saved - 1, max(0.0, cycle - self.served))
        return cycles * self.bandwidth / self.beat_bytes

    def worked(self, start: float, end: float) -> float:
        """Cycles between the two in which something moves."""
        period, refresh = self.parameters.refresh_period, self.parameters.refresh_cycles
        if not refresh:
            return end - start

        def useful(cycle: float) -> float:
            rounds, into = divmod(cycle + self._phase, period)
            return rounds * (period - refresh) + max(0.0, into - refresh)

        return useful(end) - useful(start)

    def busy(self, start: float, work: float) -> float:
        """When `work` cycles that begin at `start` are done: nothing moves during a refresh."""
        period, refresh = self.parameters.refresh_period, self.parameters.refresh_cycles
        if not refresh:
            return start + work
        useful = period - refresh
        begun, into = divmod(start + self._phase, period)
        rounds, rest = divmod(max(0.0, into - refresh) + work, useful)
        return (begun + rounds) * period + refresh + rest - self._phase


def _sustained(bandwidth: float, hw: HwConfig, ddr: DdrParameters) -> float:
    """What is left of a bandwidth if all ports have data due, but channels are held back now and then.

    The bucket of sim/ddr_model.hpp for some thousand cycles; nothing is lost if no channel is ever held back.
    """
    if not ddr.stall:
        return bandwidth
    beat, held, draws = hw.axi_data_bytes, round(ddr.stall * 256), Draws(ddr.seed)
    capacity = bandwidth + beat * (hw.axi_ports + 1)
    tokens = moved = 0.0
    for _ in range(_SAMPLE):
        tokens = min(tokens + bandwidth, capacity)
        for _ in range(hw.axi_ports):
            if draws.below(256) >= held and tokens >= beat:
                tokens -= beat
                moved += beat
    return moved / _SAMPLE
