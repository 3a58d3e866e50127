# SPDX-License-Identifier: Apache-2.0
"""LOAD_IMAGE: bursts of the image and of weights in turn on port 0, while the other ports go on with weights.

Ports are served beat by beat in turn, so every port with data due gets an equal share of the bandwidth, at most a
beat per cycle: events are the ends of bursts and the times at which they fall due, shares hold in between.
"""

from __future__ import annotations

from collections import deque

from peritus.arch.config import BURST_BEATS
from peritus.cycles.fetch import GUARD, READER_BURSTS, Fetch

BUILD = 1  # cycles from the start of the loader to the first beat of the first burst
WRITE = 2  # from the last beat to done
ADDRESS = 2  # from a request that the reader takes to the next, with its address between them
_IMAGE = -1  # stripe number of a burst of the image
_NEVER = float("inf")


class ImageLoad:
    """One LOAD_IMAGE of `beats` beats, begun in cycle `start`."""

    def __init__(self, fetch: Fetch, start: int, beats: int) -> None:
        self._fetch, self._ddr, self._ports = fetch, fetch.ddr, fetch.ports
        self._start = start
        self._left = deque(
            min(BURST_BEATS, beats - first) for first in range(0, beats, BURST_BEATS)
        )  # beats of bursts not yet requested
        self._built = start + BUILD
        self._image_passed = self._reader = 0.0  # the last request of the image passed; port 0 takes another
        # Per port: (due, stripe) in order; beats left of the first, as cycles of a port that is alone.
        self._queues: list[deque[tuple[float, int, float]]] = [deque() for _ in range(self._ports)]
        self._taken: list[float] = []  # last beats on port 0, of both, in order
        self._asked = 0  # bursts of both on port 0
        self._image_turn = True

    def run(self) -> int:
        """Cycle in which the sequencer sees that it is done; the stripes requested meanwhile are in `fetch`."""
        self._collect()
        now, end = float(self._start), 0.0
        while self._left or any(stripe == _IMAGE for _, stripe, _ in self._queues[0]):
            self._request()
            now, finished = self._transfer(now)
            end = finished if finished else end
        self._settle(now)
        return int(end) + WRITE

    def _collect(self) -> None:
        """Weights on their way when the image begins."""
        fetch = self._fetch
        while (request := fetch.request_time()) is not None and request < self._start:
            fetch.reach(len(fetch.address))
        flying = [n for n, last in enumerate(fetch.last) if last >= self._start]
        for stripe in flying:
            left = min(self._ddr.beats, fetch.last[stripe] + 1 - self._start)
            due = fetch.address[stripe] + self._ddr.parameters.read_latency
            self._queues[stripe % self._ports].append((due, stripe, left))
            fetch.last[stripe] = _NEVER
            self._asked += stripe % self._ports == 0

    def _request(self) -> None:
        """Whatever the ports take now, by what is known of finished bursts."""
        while True:
            weight, image = self._weight(), self._image()
            if weight == image == _NEVER:
                return
            if len(self._fetch.address) % self._ports == 0 and weight == image:
                weight += self._image_turn
            if weight <= image:
                self._ask_weight(weight)
            else:
                self._ask_image(image)

    def _slot(self) -> float:
        """When port 0 takes another burst."""
        reader, memory = self._asked - READER_BURSTS, self._asked - self._ddr.parameters.outstanding
        ready = self._reader
        for behind, delay in ((reader, 1), (memory, 0)):
            if behind >= 0:
                ready = max(ready, self._taken[behind] + delay if behind < len(self._taken) else _NEVER)
        return ready

    def _weight(self) -> float:
        fetch = self._fetch
        request = fetch.request_time()
        if request is None:
            return _NEVER
        stripe = len(fetch.address)
        passed = fetch.passed(request)
        if stripe % self._ports == 0:
            return max(passed, self._slot())
        outstanding = min(self._ddr.parameters.outstanding, READER_BURSTS)
        behind = stripe - outstanding * self._ports
        return max(passed, fetch.last[behind] + 1) if behind >= 0 else passed

    def _image(self) -> float:
        if not self._left:
            return _NEVER
        built = self._built + self._left[0]
        return max(built + GUARD - 1, self._image_passed + GUARD, self._slot())

    def _ask_weight(self, passed: float) -> None:
        fetch, stripe = self._fetch, len(self._fetch.address)
        request = fetch.request_time()
        assert request is not None
        address = fetch.accept(request, passed)
        fetch.last.append(_NEVER)
        self._queues[stripe % self._ports].append((self._ddr.due(address, stripe % self._ports), stripe, self._ddr.beats))
        if stripe % self._ports == 0:
            self._asked += 1
            self._reader = passed + ADDRESS
            self._image_turn = True

    def _ask_image(self, passed: float) -> None:
        beats = self._left.popleft()
        self._built += beats
        self._image_passed = passed
        self._reader = passed + ADDRESS
        self._queues[0].append((self._ddr.due(passed + 1 + self._ddr.stall, 0), _IMAGE, beats / self._ddr.port_rate))
        self._asked += 1
        self._image_turn = False

    def _transfer(self, now: float) -> tuple[float, float]:
        """Up to the next end of a burst, or until one falls due; the time, and the end of an image burst."""
        queues, ddr = self._queues, self._ddr
        active = [queue for queue in queues if queue and queue[0][0] <= now]
        due = min((queue[0][0] for queue in queues if queue and queue[0][0] > now), default=_NEVER)
        if not active:
            return due, 0.0
        share = min(1.0, ddr.bandwidth / ddr.beat_bytes / len(active) / ddr.port_rate)
        left = min(queue[0][2] for queue in active)
        then = ddr.busy(now, left / share)
        if due < then:
            moved = (due - now) * share if not ddr.parameters.refresh_period else left * (due - now) / (then - now)
            then = due
        else:
            moved = left
        finished = 0.0
        for queue in active:
            begun, stripe, beats = queue.popleft()
            if beats - moved > 1e-9:
                queue.appendleft((begun, stripe, beats - moved))
                continue
            if queue is queues[0]:
                self._taken.append(then - 1)
            if stripe == _IMAGE:
                finished = then - 1
            else:
                self._fetch.last[stripe] = then - 1
        return then, finished

    def _settle(self, now: float) -> None:
        """Weights still on their way, without the image."""
        self._ddr.used_until(now)
        flying = sorted((stripe, due) for queue in self._queues for due, stripe, _ in queue)
        for stripe, due in flying:
            before = self._fetch.last[stripe - self._ports] if stripe >= self._ports else 0.0
            self._fetch.last[stripe] = self._ddr.data(due, before)
