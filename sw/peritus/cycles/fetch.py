# SPDX-License-Identifier: Apache-2.0
"""Requests of the weight stream (rtl/memory/peritus_weight_fetch.sv), as far ahead as the ring has room.

Stripes are counted from the start of the job. Lists by stripe, in cycles:

    address  of the AR handshake            due    of the earliest first beat
    last     of the last beat               whole  the latest `last` up to here: the consumer waits for all
    freed    of the pop of its last word, written by the consumer
    port     that brings it: the next in turn that is free
"""

from __future__ import annotations

from collections.abc import Sequence

from peritus.arch.config import HwConfig
from peritus.arch.isa import FetchEntry, runs
from peritus.cycles.ddr import Ddr

NEVER = float("inf")
READER_BURSTS = 16  # MaxBursts of rtl/memory/peritus_axi_reader.sv
ENTRY = 4  # cycles of a fetch entry that the task does not want
STEP = 5  # of one that it wants, until its first request
DECIDED = 2  # cycles before its first request, a segment is no longer passed over
GUARD = 3  # from a request to the reader, and between two requests
CHOSEN = 1  # cycles that a port has been free before it is asked


class Fetch:
    """segments: stripes of each entry of the fetch table that the task wants, in order.

    Ports are numbered from that of the first stripe; image_port: of the first burst of the image.
    """

    def __init__(
        self,
        hw: HwConfig,
        ddr: Ddr,
        entries: Sequence[FetchEntry],
        task: int,
        cold: bool,
        image_port: int = 0,
    ) -> None:
        self.ddr, self.ports, self.image_port = ddr, hw.axi_ports, image_port
        self.ring = hw.weight_store_words // hw.stripe_words
        self.segments: list[int] = []
        self._experts: list[tuple[int, int] | None] = []  # gate and expert of each, where it is one's
        self._gaps: list[int] = []  # cycles in the table before each
        gap = gates = 0
        for entry in entries:
            if runs(entry, task, cold=cold):
                gates += entry.first_of_gate
                self._experts.append((gates, entry.expert) if entry.expert_valid else None)
                self.segments.append(entry.stripes)
                self._gaps.append(gap + STEP)
                gap = 0
            else:
                gap += ENTRY
        self.left = sum(self.segments)  # stripes not yet requested
        self.address: list[float] = []
        self.due: list[float] = []
        self.last: list[float] = []
        self.freed: list[float] = []
        self.whole: list[float] = []
        self.port: list[int] = []
        self.on: list[list[int]] = [[] for _ in range(self.ports)]  # stripes of each port
        self.turns = [
            tuple((served + n) % self.ports for n in range(1, self.ports + 1)) for served in range(self.ports)
        ]
        self.turn = self.turns[-1]  # of the ports
        self.segment = 0  # that is being requested
        self.issued = 0  # its stripes
        self._ready = 1.0 + self._gaps[0] if self.segments else 0.0  # earliest next request
        self._passed = 0.0  # the last request has passed the guard
        self._known = self._ready  # the present segment has been looked up

    def request_time(self) -> float | None:
        """Of the next stripe; None: none is left, or the ring is full for as long as is known."""
        stripe = len(self.address)
        if not self._next_segment():
            return None
        reuse = stripe - self.ring
        if reuse < 0:
            return self._ready
        return max(self._ready, self.freed[reuse] + 1) if reuse < len(self.freed) else None

    def passed(self, request: float) -> float:
        """When a request made then reaches the reader of its port, if that takes it at once."""
        return max(request + GUARD, self._passed + GUARD)

    def accept(self, request: float, passed: float, address: float, port: int) -> None:
        """A port's reader takes the request in cycle `passed`, and its AR handshake is in cycle `address`."""
        self.due.append(self.ddr.due(address, port))
        self.on[port].append(len(self.address))
        self.port.append(port)
        self.turn = self.turns[port]
        self.address.append(address)
        self.issued += 1
        self.left -= 1
        self._ready = max(request, self._passed) + 2  # the guard has it
        self._passed = passed
        self._to_next(request)

    def free(self, port: int) -> float:
        """When a port, which nobody shares, takes another request."""
        mine = self.on[port]
        if not mine:
            return 0.0
        free = self.address[mine[-1]] + 1
        if len(mine) >= READER_BURSTS:
            free = max(free, self.last[mine[-READER_BURSTS]] + 1)
        return free + CHOSEN

    def reach(self, stripe: int, until: float = NEVER) -> bool:
        """Request everything up to a stripe, but nothing behind cycle `until`.

        False: it is never requested, or later than that, or there is no room for it as far as is known.
        """
        ring, ddr, on, ports, turn, turns = self.ring, self.ddr, self.on, self.port, self.turn, self.turns
        outstanding = ddr.parameters.outstanding
        address, due, last, freed = self.address, self.due, self.last, self.freed
        # Of each port, as its last request leaves them.
        frees = [self.free(port) for port in range(self.ports)]
        behind = [last[mine[-outstanding]] if len(mine) >= outstanding else 0.0 for mine in on]
        before = [last[mine[-1]] if mine else 0.0 for mine in on]
        stall, latency, calm = 1 + ddr.stall, ddr.parameters.read_latency, ddr.calm
        served, saved, burst = ddr.timing()
        alone, fair, others = ddr.beats, ddr.fair, ddr.others
        number = len(address)
        total = number + self.left
        while number <= stripe:
            if not self._next_segment():
                return False
            end = min(stripe + 1, number + self.segments[self.segment] - self.issued)
            begin, request, passed = number, self._ready, self._passed
            while number < end:
                # As request_time, passed and accept say it, but for a port that nobody shares.
                if number >= ring:
                    reuse = number - ring
                    if reuse >= len(freed):
                        break
                    if freed[reuse] >= request:
                        request = freed[reuse] + 1
                if request > until:
                    break
                begun = request if request > passed else passed
                passed = begun + GUARD
                soonest = NEVER
                for candidate in turn:
                    free = frees[candidate]
                    if free <= passed:
                        soonest, port = passed, candidate
                        break
                    if free < soonest:
                        soonest, port = free, candidate
                passed, turn = soonest, turns[port]
                taken = passed + stall
                if behind[port] >= taken:
                    taken = behind[port] + stall
                address.append(taken)
                mine = on[port]
                mine.append(number)
                ports.append(port)
                if calm:  # Ddr.due and Ddr.data, without the calls
                    first = taken + latency
                    done = first - saved
                    if done < served:
                        done = served
                    lags = first < before[port] and first < done
                    served = done = done + burst
                    start = before[port] + 1
                    if first > start:
                        start = first
                    final = -(-done // 1)  # ceil
                    if start + alone[port] - 1 > final:
                        final = start + alone[port] - 1
                    if lags:
                        at_the_end = done + (total - number) * others[port]
                        if at_the_end > final:
                            final = at_the_end
                        if start + fair[port] - 1 < final:
                            final = start + fair[port] - 1
                else:
                    first = ddr.due(taken, port)
                    final = ddr.data(first, port, before[port], total - number)
                last.append(final)
                due.append(first)
                # Fetch.free, without the call; `outstanding` may be one of the bursts just asked for.
                bursts, before[port], free = len(mine), final, taken
                if bursts >= READER_BURSTS and last[mine[-READER_BURSTS]] > free:
                    free = last[mine[-READER_BURSTS]]
                frees[port] = free + 1 + CHOSEN
                if bursts >= outstanding:
                    behind[port] = last[mine[-outstanding]]
                issued, request = request, begun + 2
                number += 1
            if calm:
                ddr.used_until(served)
            self.issued += number - begin
            self.left -= number - begin
            self._ready, self._passed, self.turn = request, passed, turn
            if number > begin:
                self._to_next(issued)
            if number < end:
                return False
        return True

    def arrived(self, stripe: int) -> float:
        """Last beat of a stripe and of all before it; infinity if it is never requested."""
        whole, last = self.whole, self.last
        if stripe >= len(last) and not self.reach(stripe):
            return float("inf")
        number = len(whole)
        if number <= stripe:
            latest = whole[-1] if whole else 0.0
            for end in last[number : stripe + 1]:
                if end > latest:
                    latest = end
                whole.append(latest)
        return whole[stripe]

    def _next_segment(self) -> bool:
        """Step over segments requested in full; False at the end."""
        while self.segment < len(self.segments) and self.issued == self.segments[self.segment]:
            self.segment += 1
            self.issued = 0
        return self.segment < len(self.segments)

    def _to_next(self, request: float) -> None:
        """After a request: if it was a segment's last, the next one is looked up."""
        following = self._following(self.segment)
        if self.issued == self.segments[self.segment] and following < len(self.segments):
            self._known = request + 2 + self._gaps[following]
            self._ready = max(self._ready, self._known)

    def _following(self, segment: int) -> int:
        """The next segment that the walk does not pass over."""
        following = segment + 1
        while following < len(self.segments) and not self.segments[following]:
            following += 1
        return following

    def routed(self, cycle: int, gate: int, counts: Sequence[int]) -> None:
        """From `cycle` on a gate's idle experts are known: the walk passes over their segments."""
        self.reach(len(self.address) + self.left - 1, cycle)
        begun = self.segment + (self.issued > 0 or self._known - DECIDED <= cycle)
        passed = 0  # cycles more before the segment behind
        for number in range(begun, len(self.segments)):
            of = self._experts[number]
            if of is not None and of[0] > gate:
                return
            if of is None or of[0] != gate or of[1] >= len(counts) or counts[of[1]]:
                self._gaps[number] += passed
                passed = 0
                continue
            self.left -= self.segments[number]
            self.segments[number] = 0
            passed += self._gaps[number] - STEP + ENTRY
        self._hasten(cycle)

    def drop(self, cycle: int, segment: int) -> tuple[int, int]:
        """The consumer wants to drop a segment whole, from `cycle` on.

        Returns: the cycle in which that is accepted, and the stripes that had been requested by then.
        """
        if not self.segments[segment]:
            return cycle, 0
        self._next_segment()
        if self.segment == segment:
            self.reach(len(self.address) + self.segments[segment] - self.issued - 1, cycle)
            self._next_segment()
        if self.segment > segment:
            return cycle, self.segments[segment]
        cycle, issued = max(cycle, int(self._known)), self.issued
        self.left -= self.segments[segment] - issued
        self._hasten(cycle)
        self.segment, self.issued = self._following(segment), 0
        if self.segment < len(self.segments):
            self._known = cycle + 1 + self._gaps[self.segment]
            self._ready = max(self._ready, self._known)
        return cycle, issued

    def _hasten(self, cycle: float) -> None:
        """The stream has become shorter: ports that lag are alone the sooner."""
        stripes = len(self.last)
        for stripe in range(max(0, stripes - READER_BURSTS * self.ports), stripes):
            last = self.ddr.soonest(self.port[stripe], stripes - 1 - stripe, self.left)
            if last < self.last[stripe] and cycle < self.last[stripe]:
                self.last[stripe] = max(last, cycle)
                del self.whole[stripe:]
