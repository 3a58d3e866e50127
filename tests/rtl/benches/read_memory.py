# SPDX-License-Identifier: Apache-2.0
"""The other end of one read client: takes its requests and returns beats from a byte memory, in order."""

import random
from collections import deque

from tests.rtl.benches.cycles import Cycles, chance


class ReadMemory:
    """Call `drive()` before settling and `sample()` after; ports req_* and beat_* of the block under test."""

    def __init__(self, cycles: Cycles, content: bytes, base: int, beat_bytes: int) -> None:
        self.cycles, self.content, self.base, self.beat_bytes = cycles, content, base, beat_bytes
        self.ready, self.valid, self.latency = 0.5, 0.7, 3
        self.requests: list[tuple[int, int]] = []
        self._flight: deque[tuple[int, int]] = deque()  # cycle, address of a beat

    def drive(self) -> None:
        c = self.cycles
        go = bool(self._flight) and self._flight[0][0] <= c.count and chance(self.valid)
        data = random.getrandbits(8 * self.beat_bytes)
        if go:
            offset = self._flight.popleft()[1] - self.base
            data = int.from_bytes(self.content[offset : offset + self.beat_bytes], "little")
        c.set(req_ready_i=chance(self.ready), beat_valid_i=go, beat_data_i=data)

    def sample(self) -> None:
        c = self.cycles
        if c.get("req_valid_o") and c.get("req_ready_i"):
            addr, beats = c.get("req_addr_o"), c.get("req_beats_o")
            self.requests.append((addr, beats))
            assert addr >= self.base and addr + beats * self.beat_bytes <= self.base + len(self.content)
            for i in range(beats):
                self._flight.append((c.count + self.latency, addr + i * self.beat_bytes))

    @property
    def idle(self) -> bool:
        return not self._flight
