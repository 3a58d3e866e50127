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
        while len(self.address) <= stripe:
            if not self._next_segment():
                return False
            if not self._many(
                min(stripe - len(self.address) + 1, self.segments[self.segment] - self.issued), until
            ):
                return False
        return True

    def _many(self, count: int, until: float) -> int:
        """As many stripes of this segment, or fewer if there is no room or `until` is over; how many.

        For ports that nobody shares. request_time, passed, accept and free say the same for one stripe.
        """
        ring, freed, ddr, turn, turns, on = self.ring, self.freed, self.ddr, self.turn, self.turns, self.on
        address, due, last, ports = self.address, self.due, self.last, self.port
        stall, latency, most = 1 + ddr.stall, ddr.parameters.read_latency, ddr.parameters.outstanding
        served, burst, calm, fair = ddr.served, ddr.burst, ddr.calm, ddr.fair
        # Of each port, as its last request leaves them. A memory that takes all that a reader has under way
        # makes none wait. Ports that are free in the order of their turns are asked in that order.
        narrow = most < READER_BURSTS
        behind = [last[mine[-most]] if narrow and len(mine) >= most else 0.0 for mine in on]
        before = [last[mine[-1]] if mine else 0.0 for mine in on]
        frees = [self.free(port) for port in range(self.ports)]
        order = [frees[port] for port in turn]
        ordered, newest = order == sorted(order), order[-1]
        begin = stripe = len(address)
        room, end = min(begin + count, ring + len(freed)), begin + self.left
        # Is the stream's end so far away that whatever lags gets its share, no more (Ddr.data)?
        far = calm and served + (end - room) * min(ddr.others) > max(before) + count * max(fair)
        request, passed, issued = self._ready, self._passed, 0.0
        while stripe < room:
            if stripe >= ring and freed[stripe - ring] >= request:
                request = freed[stripe - ring] + 1
            if request > until:
                break
            issued = request
            if request > passed:
                passed = request
            request = passed + 2
            passed += GUARD
            port = turn[0]
            if not ordered:
                passed, port = _first(turn, frees, passed)
            elif frees[port] > passed:
                passed = frees[port]
            turn = turns[port]
            taken = passed + stall
            if narrow and behind[port] >= taken:
                taken = behind[port] + stall
            mine, first, final = on[port], taken + latency, before[port]
            if far and first < final and first < served:
                served += burst
                final = final + 1 + fair[port] - 1
            else:
                ddr.served = served
                if not calm:
                    first = ddr.due(taken, port)
                final = ddr.data(first, port, final, end - stripe)
                served = ddr.served
            address.append(taken)
            due.append(first)
            last.append(final)
            ports.append(port)
            mine.append(stripe)
            before[port] = final
            stripe += 1
            free = taken
            if len(mine) >= READER_BURSTS and last[mine[-READER_BURSTS]] > taken:
                free = last[mine[-READER_BURSTS]]
            frees[port] = free = free + 1 + CHOSEN
            if free < newest:
                ordered = False
            newest = free
            if narrow and len(mine) >= most:
                behind[port] = last[mine[-most]]  # which may be one of those just asked for
        count = stripe - begin
        ddr.served = served
        self.issued += count
        self.left -= count
        self._ready, self._passed, self.turn = request, passed, turn
        if count:
            self._to_next(issued)
        return count

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


def _first(turn: Sequence[int], frees: Sequence[float], passed: float) -> tuple[float, int]:
    """When a request that comes in cycle `passed` is taken, by which port: in turn, or the first one free."""
    soonest, port = NEVER, turn[0]
    for candidate in turn:
        free = frees[candidate]
        if free <= passed:
            return passed, candidate
        if free < soonest:
            soonest, port = free, candidate
    return soonest, port
