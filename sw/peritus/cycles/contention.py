# SPDX-License-Identifier: Apache-2.0
"""Weights and another client of the memory at the same time: what they ask for, how they share bandwidth.

Channels are served beat by beat in turn, so every one with data due gets an equal share of the bandwidth, at
most a beat per cycle; what is not used is saved, up to a few beats. Events are the ends of bursts, the times
at which they fall due, and the end of what was saved; in between shares hold.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections import deque
from math import nextafter
from typing import NamedTuple

from peritus.arch.config import BURST_BEATS
from peritus.cycles.fetch import CHOSEN, NEVER, READER_BURSTS, Fetch

CLIENT = -1  # stripe number of a burst that is not of weights
_NOTHING = 1e-6  # of a beat: above the rounding of times as far as 10^9 cycles


class Burst(NamedTuple):
    """due: from when on it moves. stripe: of weights, or CLIENT. left: cycles that it needs by itself."""

    due: float
    stripe: int
    left: float


class Contention(ABC):
    """A client's work from cycle `start` on. Channels: read ports; behind them, port 0's writes."""

    def __init__(self, fetch: Fetch, start: int, beats: int) -> None:
        self._fetch, self._ddr, self._ports = fetch, fetch.ddr, fetch.ports
        self._start = start
        # Beats of the client's bursts that it has not asked for yet.
        self._sizes = deque(min(BURST_BEATS, beats - first) for first in range(0, beats, BURST_BEATS))
        self._moving = 0  # bursts of the client asked for and not ended
        self._queues: list[deque[Burst]] = [deque() for _ in range(self._ports + 1)]
        # Of each port: bursts asked for, the last beat of each that has ended, in order, ...
        self._asked = [0] * self._ports
        self._ended: list[list[float]] = [[] for _ in range(self._ports)]
        self._reader = [0.0] * self._ports  # ... and when it takes another request
        self._saved = 0.0  # bandwidth, in beats
        # Beats a cycle of each channel that is alone; writes are port 0's.
        self._rates = [BURST_BEATS / beats for beats in (*self._ddr.beats, self._ddr.beats[0])]

    @abstractmethod
    def _next(self) -> float:
        """When the client asks for its next burst; NEVER while that depends on what has not ended."""

    @abstractmethod
    def _channel(self) -> int:
        """On which channel that is."""

    @abstractmethod
    def _ask(self, cycle: float, beats: int) -> float:
        """It asks in that cycle; when the burst falls due."""

    @abstractmethod
    def _end(self, cycle: float, channel: int) -> None:
        """The last beat of its oldest burst on that channel moved in that cycle."""

    def _work(self) -> None:
        """Until the client has all its bursts, and the ports what they were asked for until then."""
        self._collect()
        now = float(self._start)
        while self._sizes or self._moving:
            now = self._transfer(now, self._request(now))
        asked = len(self._fetch.address)
        while any(burst.stripe < asked for queue in self._queues for burst in queue):
            now = self._transfer(now, self._request(now))
        self._settle(now)

    def _collect(self) -> None:
        """Weights on their way at the start."""
        fetch = self._fetch
        fetch.reach(len(fetch.address) + fetch.left - 1, nextafter(self._start, 0))
        self._saved = self._ddr.saved_at(self._start)
        flying = [
            n for n, last in enumerate(fetch.last[-64:], max(0, len(fetch.last) - 64)) if last >= self._start
        ]
        del fetch.whole[min(flying, default=len(fetch.last)) :]
        for stripe in flying:
            port = fetch.port[stripe]
            left = min(self._ddr.beats[port], fetch.last[stripe] + 1 - self._start)
            self._queues[port].append(Burst(fetch.due[stripe], stripe, left))
            fetch.last[stripe] = NEVER
            self._asked[port] += 1

    def _request(self, now: float) -> float:
        """Whatever is asked for, by what is known of bursts that have ended; when the next one is.

        Who has to wait for an end that is not known yet may still be first, but not before `now`.
        """
        while True:
            weight, port, all_known = self._weight()
            client = self._next() if self._sizes else NEVER
            first = min(weight, client)
            if first == NEVER or (first > now and not (all_known and (client < NEVER or not self._sizes))):
                return first
            if client <= weight:  # of the same port: it asks in the cycle in which that is free
                size = self._sizes.popleft()
                self._moving += 1
                channel = self._channel()
                due = self._ask(client, size)
                self._queues[channel].append(Burst(due, CLIENT, size / self._rates[channel]))
            else:
                self._ask_weight(weight, port)

    def _slot(self, port: int) -> float:
        """When a port takes another request; NEVER while that, or when its address leaves, is not known."""
        asked, ended, reader = self._asked[port], self._ended[port], self._reader[port]
        held = asked - READER_BURSTS
        if max(held, asked - self._ddr.parameters.outstanding) >= len(ended):
            return NEVER
        return max(reader, ended[held] + 1) if held >= 0 else reader

    def _take(self, cycle: float, port: int) -> float:
        """A port takes a request; the cycle of its AR handshake."""
        behind = self._asked[port] - self._ddr.parameters.outstanding
        address = max(cycle, self._ended[port][behind] if behind >= 0 else 0.0) + 1 + self._ddr.stall
        self._asked[port] += 1
        self._reader[port] = address + 1
        return address

    def _weight(self) -> tuple[float, int, bool]:
        """When the next stripe's request is taken, by which port; are all ports' times known?"""
        fetch = self._fetch
        request = fetch.request_time()
        if request is None:
            return NEVER, 0, True
        passed, slots = fetch.passed(request), [self._slot(port) for port in fetch.turn]
        times = [max(passed, slot + CHOSEN) for slot in slots]
        taken = min(times)
        return taken, fetch.turn[times.index(taken)], taken == passed or NEVER not in slots

    def _ask_weight(self, passed: float, port: int) -> None:
        fetch, stripe = self._fetch, len(self._fetch.address)
        request = fetch.request_time()
        assert request is not None
        fetch.accept(request, passed, self._take(passed, port), port)
        fetch.last.append(NEVER)
        self._queues[port].append(Burst(fetch.due[stripe], stripe, self._ddr.beats[port]))

    def _transfer(self, now: float, until: float) -> float:
        """Up to the next event, at the latest `until`; its time."""
        ddr = self._ddr
        moving = [n for n, queue in enumerate(self._queues) if queue and queue[0].due <= now]
        active = [self._queues[n] for n in moving]
        then = min((queue[0].due for queue in self._queues if queue and queue[0].due > now), default=NEVER)
        then = min(then, until)
        inflow = ddr.bandwidth / ddr.beat_bytes  # beats a cycle
        wanted = sum(self._rates[channel] for channel in moving)
        share = 1.0 if wanted <= inflow or self._saved > _NOTHING else inflow / wanted
        if active:
            then = min(then, ddr.busy(now, min(queue[0].left for queue in active) / share))
        if wanted > inflow and self._saved > _NOTHING:
            then = min(then, ddr.busy(now, self._saved / (wanted - inflow)))
        worked = ddr.worked(now, then)
        self._saved = min(
            max(0.0, self._saved + (inflow - wanted * share) * worked), (ddr.saved - 1) * inflow
        )
        for channel, queue in zip(moving, active, strict=True):
            due, stripe, left = queue.popleft()
            if left - worked * share > _NOTHING:
                queue.appendleft(Burst(due, stripe, left - worked * share))
                continue
            if channel < self._ports:
                self._ended[channel].append(then - 1)
            if stripe == CLIENT:
                self._moving -= 1
                self._end(then - 1, channel)
            else:
                self._fetch.last[stripe] = then - 1
        return then

    def _settle(self, now: float) -> None:
        """Weights still on their way, without the client."""
        self._ddr.served = now
        fetch = self._fetch
        total = len(fetch.address) + fetch.left
        flying = sorted((burst for queue in self._queues for burst in queue), key=lambda burst: burst.stripe)
        for due, stripe, left in flying:
            port = fetch.port[stripe]
            if left < self._ddr.beats[port]:
                fetch.last[stripe] = self._ddr.rest(now, port, left / self._ddr.beats[port])
                continue
            earlier = bisect_left(fetch.on[port], stripe) - 1  # in order
            before = fetch.last[fetch.on[port][earlier]] if earlier >= 0 else 0.0
            fetch.last[stripe] = self._ddr.data(due, port, before, total - stripe)
