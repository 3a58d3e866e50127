# SPDX-License-Identifier: Apache-2.0
"""axi_writer between a random source and a random AXI4 slave: data, order, responses, errors, flush."""

import random
from collections import deque
from dataclasses import dataclass
from typing import Any

import cocotb

from tests.rtl.benches.cycles import Cycles, chance


@dataclass
class Traffic:
    """How busy each channel is."""

    ask: float = 0.5
    data: float = 0.7
    awready: float = 0.5
    wready: float = 0.6
    response: float = 0.3
    error: float = 0.0


class Bench:
    """Source of bursts, and a slave that keeps a byte memory."""

    def __init__(self, cycles: Cycles, traffic: Traffic) -> None:
        self.cycles, self.traffic = cycles, traffic
        self.beat = int(cocotb.plusargs["axi_bytes"])
        self.request: tuple[int, int] | None = None
        self.owed = 0  # beats of accepted requests not yet taken from the source
        self.data: int | None = None
        self.source: deque[int] = deque()  # beats taken, in order
        self.begun: deque[tuple[int, int]] = deque()  # accepted requests not yet on AW
        self.addressed: deque[tuple[int, int]] = deque()  # on AW, data not complete
        self.written: list[int] = []  # strobes-on beats of the current burst
        self.beats = 0  # W beats seen that have no address yet assigned
        self.w_log: deque[tuple[int, bool, int]] = deque()  # data, last, strobes
        self.open = 0  # complete bursts without response
        self.flushing = False
        self.errors = 0
        self.stable: dict[str, tuple[int, ...]] = {}

    def _drive(self) -> None:
        t, c = self.traffic, self.cycles
        if self.request is None and chance(t.ask):
            beats = random.choice([1, 16, random.randint(1, 16)])
            self.request = (
                (random.randrange(1 << 24) * 16 + random.randrange(17 - beats)) * self.beat,
                beats,
            )
        if self.data is None and chance(t.data):
            self.data = random.getrandbits(8 * self.beat)
        addr, beats = self.request or (0, 0)
        c.set(req_valid_i=self.request is not None, req_addr_i=addr, req_beats_i=beats, flush_i=self.flushing)
        c.set(beat_valid_i=self.data is not None, beat_data_i=self.data or 0)
        self.respond = self.open > 0 and chance(t.response)
        c.set(awready_i=chance(t.awready), wready_i=chance(t.wready), bvalid_i=self.respond)
        c.set(berror_i=chance(t.error) if self.respond else chance(0.5))

    def _unchanged(self, channel: str, values: tuple[int, ...], taken: int) -> None:
        assert self.stable.get(channel, values) == values, f"{channel} changed before it was accepted"
        if taken:
            self.stable.pop(channel, None)
        else:
            self.stable[channel] = values

    def _sample(self) -> None:
        c = self.cycles
        if c.get("req_ready_o"):
            assert not self.flushing
            if self.request:
                self.begun.append(self.request)
                self.owed += self.request[1]
                self.request = None
        if c.get("beat_ready_o"):
            assert self.owed > 0 and not self.flushing
            if self.data is not None:
                self.source.append(self.data)
                self.owed -= 1
                self.data = None
        if c.get("awvalid_o"):
            aw = (c.get("awaddr_o"), c.get("awlen_o") + 1)
            self._unchanged("AW", aw, c.get("awready_i"))
            if c.get("awready_i"):
                assert self.begun.popleft() == aw
                self.addressed.append(aw)
        if c.get("wvalid_o"):
            w = (c.get("wdata_o"), c.get("wstrb_o"), c.get("wlast_o"))
            self._unchanged("W", w, c.get("wready_i"))
            if c.get("wready_i"):
                self.w_log.append((w[0], bool(w[2]), w[1]))
        if self.respond:
            self.open -= 1

    def _finish_bursts(self) -> None:
        """Match complete W bursts with their addresses; check data against the source."""
        while self.addressed and len(self.w_log) >= self.addressed[0][1]:
            _, beats = self.addressed.popleft()
            for i in range(beats):
                data, last, strobes = self.w_log.popleft()
                assert last == (i == beats - 1)
                if strobes:
                    assert strobes == (1 << self.beat) - 1
                    assert data == self.source.popleft()
                else:
                    assert self.flushing
            self.open += 1

    async def run(self, count: int) -> None:
        c = self.cycles
        for _ in range(count):
            self._drive()
            await c.settle()
            assert not (c.get("idle_o") and (self.begun or self.addressed or self.open))
            self._sample()
            failed = self.respond and c.get("berror_i") and not self.flushing
            await c.step()
            assert c.get("err_o") == failed
            self.errors += failed
            self._finish_bursts()

    async def drain(self) -> None:
        self.traffic.ask = 0.0
        while self.request or self.begun or self.addressed or self.open or not self.cycles.get("idle_o"):
            await self.run(1)
        await self.run(3)


async def start(dut: Any, traffic: Traffic) -> Bench:
    cycles = Cycles(dut)
    await cycles.reset(flush_i=0, req_valid_i=0, beat_valid_i=0, awready_i=0, wready_i=0, bvalid_i=0)
    assert cycles.get("idle_o") and not cycles.get("awvalid_o") and not cycles.get("wvalid_o")
    return Bench(cycles, traffic)


@cocotb.test()
async def random_traffic(dut: Any) -> None:
    bench = await start(dut, Traffic())
    for _ in range(12):
        bench.traffic = Traffic(
            ask=random.choice([0.02, 0.5, 1.0]),
            data=random.choice([0.1, 0.7, 1.0]),
            awready=random.choice([0.05, 0.5, 1.0]),
            wready=random.choice([0.1, 0.7, 1.0]),
            response=random.choice([0.01, 0.3, 1.0]),
        )
        await bench.run(250)
    await bench.drain()
    assert not bench.source and not bench.owed


@cocotb.test()
async def full_rate(dut: Any) -> None:
    bench = await start(dut, Traffic(1.0, 1.0, 1.0, 1.0, 1.0))
    taken = 0
    for _ in range(1000):
        await bench.run(1)
        taken += bench.cycles.get("wvalid_o")
    assert taken > 700
    await bench.drain()


@cocotb.test()
async def errors(dut: Any) -> None:
    bench = await start(dut, Traffic(error=0.5))
    await bench.run(800)
    await bench.drain()
    assert bench.errors > 5


@cocotb.test()
async def flush(dut: Any) -> None:
    bench = await start(dut, Traffic())
    for _ in range(12):
        bench.traffic = Traffic(ask=1.0, awready=random.choice([0.05, 1.0]), wready=random.choice([0.1, 1.0]))
        await bench.run(random.randint(20, 150))
        bench.flushing = True
        bench.request = None  # the source is reset meanwhile
        bench.data = None
        bench.traffic.data = 0.0
        await bench.drain()
        assert not bench.source, "a beat taken from the source was not written"
        bench.owed = 0
        bench.flushing = False
