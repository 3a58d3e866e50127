# SPDX-License-Identifier: Apache-2.0
"""weight_store: words leave in the order of stripes, whichever ports bring them and when, with skips."""

import random
from collections import deque
from dataclasses import dataclass
from typing import Any

import cocotb

from tests.rtl.benches.cycles import Cycles, chance

BURST = 16
OUTSTANDING = 16  # bursts of a port


@dataclass
class Traffic:
    """Chances per cycle of a beat (per port), a new stripe, a pop; share of segments skipped.

    slow: chance of a beat of the last port, over that of the others.
    """

    beat: float = 0.6
    issue: float = 0.5
    pop: float = 0.7
    skip: float = 0.0
    slow: float = 1.0


class Bench:
    """Source of stripes on all ports, and a consumer of segments."""

    def __init__(self, dut: Any) -> None:
        self.cycles = Cycles(dut)
        self.ports = int(cocotb.plusargs["axi_ports"])
        self.beat_bits = 8 * int(cocotb.plusargs["axi_bytes"])
        self.ring = int(cocotb.plusargs["ring_stripes"])
        self.word_bits = 16 * int(cocotb.plusargs["pn"])
        self.stripe_words = BURST * self.beat_bits // self.word_bits
        self.traffic = Traffic()
        self.flight: list[deque[int]] = [deque() for _ in range(self.ports)]
        self.issued = 0  # stripes, since reset
        self.consumed = 0
        self.ahead: deque[list[int]] = deque()  # words of stripes issued and not consumed
        self.popped = 0
        self.skips = {"whole": 0, "part": 0, "arrived": 0}

    async def reset(self) -> None:
        await self.cycles.reset(req_i=0, beat_valid_i=0, skip_valid_i=0, skip_stripes_i=0, w_ready_i=0)

    def issue(self, port: int) -> None:
        beats = [random.getrandbits(self.beat_bits) for _ in range(BURST)]
        self.flight[port].extend(beats)
        stripe = sum(beat << (self.beat_bits * i) for i, beat in enumerate(beats))
        mask = (1 << self.word_bits) - 1
        self.ahead.append([stripe >> (self.word_bits * i) & mask for i in range(self.stripe_words)])
        self.issued += 1

    async def cycle(self, want_word: bool) -> bool:
        """One cycle of all ports; checks and pops a word if there is one and it is wanted."""
        c = self.cycles
        chances = [self.traffic.beat] * (self.ports - 1) + [self.traffic.beat * self.traffic.slow]
        arriving = [bool(queue) and chance(p) for queue, p in zip(self.flight, chances, strict=True)]
        free = [p for p, queue in enumerate(self.flight) if len(queue) <= (OUTSTANDING - 1) * BURST]
        room = self.issued - self.consumed < self.ring and bool(c.get("room_o"))
        port = random.choice(free) if free and room and chance(self.traffic.issue) else None
        data = [
            queue.popleft() if go else random.getrandbits(self.beat_bits)
            for queue, go in zip(self.flight, arriving, strict=True)
        ]
        c.set(
            beat_valid_i=sum(go << p for p, go in enumerate(arriving)),
            beat_data_i=sum(value << (self.beat_bits * p) for p, value in enumerate(data)),
            w_ready_i=want_word and chance(self.traffic.pop),
            req_i=0 if port is None else 1 << port,
        )
        await c.settle()
        popped = bool(c.get("w_valid_o") and c.get("w_ready_i"))
        last = False
        if popped:
            word = self.ahead[0][self.popped % self.stripe_words]
            assert c.get("w_data_o") == word, f"word {self.popped} of the stream differs"
            self.popped += 1
            last = self.popped % self.stripe_words == 0
        assert c.get("freed_o") == last
        if port is not None:
            self.issue(port)
        await c.step()
        if last:
            self.consumed += 1
            self.ahead.popleft()
        return popped

    async def consume(self, stripes: int) -> None:
        words = stripes * self.stripe_words
        while words:
            words -= await self.cycle(True)

    async def skip(self, stripes: int) -> None:
        c = self.cycles
        c.set(skip_valid_i=1, skip_stripes_i=stripes, w_ready_i=0)
        await self.cycle(False)
        c.set(skip_valid_i=0, skip_stripes_i=random.getrandbits(16))
        for _ in range(stripes):
            self.ahead.popleft()
        self.consumed += stripes

    async def segments(self, count: int) -> None:
        for _ in range(count):
            stripes = random.choice([1, 2, self.ring, random.randint(1, self.ring)])
            if not chance(self.traffic.skip):
                await self.consume(stripes)
                continue
            for _ in range(random.choice([0, 1, 5, 40, 400])):
                await self.cycle(False)
            known = min(stripes, len(self.ahead))  # the rest of the segment is never issued
            in_flight = sum(map(len, self.flight)) > 0
            kind = "part" if known < stripes else "whole" if in_flight else "arrived"
            self.skips[kind] += 1
            await self.skip(known)


@cocotb.test()
async def stream(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    for _ in range(8):
        bench.traffic = Traffic(
            beat=random.choice([0.2, 0.7, 1.0]),
            issue=random.choice([0.05, 1.0]),
            pop=random.choice([0.1, 0.7, 1.0]),
            slow=random.choice([0.05, 0.5, 1.0]),
        )
        await bench.segments(4)
    assert bench.consumed > 3 * bench.ring  # wrapped


@cocotb.test()
async def skips(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    for _ in range(25):
        bench.traffic = Traffic(
            beat=random.choice([0.2, 1.0]),
            issue=random.choice([0.1, 0.3, 1.0]),
            pop=1.0,
            skip=0.6,
            slow=random.choice([0.4, 1.0]),
        )
        await bench.segments(6)
    assert min(bench.skips.values()) >= 2, bench.skips


@cocotb.test()
async def back_to_back_skips(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    bench.traffic = Traffic(beat=0.3, issue=1.0)
    for _ in range(20):
        for _ in range(random.randint(1, 4)):
            await bench.skip(min(len(bench.ahead), random.randint(0, 3)))
        await bench.consume(random.randint(1, 3))


@cocotb.test()
async def slot_is_not_reused_too_soon(dut: Any) -> None:
    """Stripes skipped that a slow port still owes, while others fill the ring again: none is overtaken."""
    bench = Bench(dut)
    await bench.reset()
    for _ in range(12):
        bench.traffic = Traffic(beat=1.0, issue=1.0, pop=1.0, slow=0.01)
        for _ in range(4 * bench.ring):
            await bench.cycle(False)
            if random.random() < 0.2 and bench.ahead:
                await bench.skip(random.randint(1, len(bench.ahead)))
        bench.traffic.slow = 1.0
        await bench.consume(bench.ring)


@cocotb.test()
async def one_word_per_cycle(dut: Any) -> None:
    """Once everything has arrived, words leave without a gap."""
    bench = Bench(dut)
    await bench.reset()
    bench.traffic = Traffic(beat=1.0, issue=1.0, pop=1.0)
    while bench.issued < bench.ring or any(bench.flight):
        await bench.cycle(False)
    for _ in range(20):
        await bench.cycle(False)
    bench.traffic.issue = 0.0
    words = bench.ring * bench.stripe_words
    before = bench.cycles.count
    await bench.consume(bench.ring)
    assert bench.cycles.count - before == words


@cocotb.test()
async def plenty_means_a_whole_tile(dut: Any) -> None:
    """Whenever w_plenty_o is high, a tile leaves without a gap once its first word is there."""
    bench = Bench(dut)
    await bench.reset()
    tile = int(cocotb.plusargs["tile_words"])
    for _ in range(80):
        bench.traffic = Traffic(beat=random.choice([0.1, 0.4, 1.0]), issue=random.choice([0.1, 1.0]), pop=1.0)
        popped = 0
        while popped == 0 or popped % bench.stripe_words:
            for _ in range(5000):
                if bench.cycles.get("w_plenty_o"):
                    break
                await bench.cycle(False)
            else:
                raise AssertionError(f"never plenty with {len(bench.ahead)} stripes issued")
            while not await bench.cycle(True):
                pass
            for word in range(1, tile):
                assert await bench.cycle(True), f"gap before word {word} of {tile}"
            popped += tile
        if chance(0.3):
            await bench.skip(min(len(bench.ahead), random.randint(0, 6)))
