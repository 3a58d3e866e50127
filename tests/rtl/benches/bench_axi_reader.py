# SPDX-License-Identifier: Apache-2.0
"""axi_reader between random clients and a random AXI4 slave: order, routing, fairness, errors, flush."""

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import cocotb

from tests.rtl.benches.cycles import Cycles, chance

Burst = tuple[int, int, int]  # client, address, beats


def content(addr: int, bits: int) -> int:
    """The slave's data: different for every beat."""
    return (addr * 0x9E3779B97F4A7C15F39CC0605CEDC835) >> 7 & ((1 << bits) - 1)


@dataclass
class Traffic:
    """How busy the two sides are."""

    ask: float = 0.5
    arready: float = 0.5
    rvalid: float = 0.6
    latency: int = 5
    error: float = 0.0


@dataclass
class Bench:
    """Slave, clients and scoreboard around the reader."""

    cycles: Cycles
    traffic: Traffic
    clients: int = field(default_factory=lambda: int(cocotb.plusargs["NumClients"]))
    most: int = field(default_factory=lambda: int(cocotb.plusargs["MaxBursts"]))
    beat: int = field(default_factory=lambda: int(cocotb.plusargs["axi_bytes"]))

    def __post_init__(self) -> None:
        self.asking: list[Burst | None] = [None] * self.clients
        self.accepted: deque[Burst] = deque()  # by the reader, not yet on AR
        self.flight: deque[tuple[int, Burst]] = deque()  # on AR: cycle of the first beat at the earliest
        self.sent = 0  # beats of flight[0] already returned
        self.expected: deque[tuple[int, int]] = deque()  # client, data
        self.expected_errors: deque[Burst] = deque()
        self.granted = [0] * self.clients
        self.flushing = False
        self.r: tuple[int, int, int] | None = None  # data, last, error
        self.held_ar: tuple[int, int] | None = None

    def _new_request(self, client: int) -> Burst:
        beats = random.choice([1, 16, random.randint(1, 16)])
        block = random.randrange(1 << 24) * 16
        return client, (block + random.randrange(16 - beats + 1)) * self.beat, beats

    def _drive(self) -> None:
        t, c = self.traffic, self.cycles
        for i in range(self.clients):
            if self.asking[i] is None and chance(t.ask):
                self.asking[i] = self._new_request(i)
        wanted = [(i, burst) for i, burst in enumerate(self.asking) if burst]
        c.set(
            req_valid_i=sum(1 << i for i, _ in wanted),
            req_addr_i=sum(burst[1] << (40 * i) for i, burst in wanted),
            req_beats_i=sum(burst[2] << (5 * i) for i, burst in wanted),
            arready_i=chance(t.arready),
            flush_i=self.flushing,
        )
        self.r = None
        if self.flight and self.flight[0][0] <= c.count and chance(t.rvalid):
            _, addr, beats = self.flight[0][1]
            data = content(addr + self.sent * self.beat, 8 * self.beat)
            self.r = (data, self.sent == beats - 1, chance(t.error))
        data, last, error = self.r or (random.getrandbits(8 * self.beat), chance(0.5), chance(0.5))
        c.set(rvalid_i=self.r is not None, rdata_i=data, rlast_i=last, rerror_i=error)

    def _sample(self) -> None:
        c = self.cycles
        ready, valid = c.get("req_ready_o"), c.get("req_valid_i")
        assert ready & ~valid == 0 and ready.bit_count() <= 1
        assert not (self.flushing and ready)
        for i in range(self.clients):
            if ready >> i & 1:
                burst = self.asking[i]
                assert burst is not None
                self.accepted.append(burst)
                self.granted[i] += 1
                self.asking[i] = None
        if c.get("arvalid_o"):
            ar = (c.get("araddr_o"), c.get("arlen_o") + 1)
            assert self.held_ar in (None, ar), "AR changed before it was accepted"
            self.held_ar = ar
            if c.get("arready_i"):
                burst = self.accepted.popleft()
                assert ar == burst[1:]
                self.flight.append((c.count + self.traffic.latency, burst))
                self.held_ar = None
        assert len(self.accepted) + len(self.flight) <= self.most
        assert c.get("rready_o")
        if self.r:
            data, last, error = self.r
            burst = self.flight[0][1]
            if not self.flushing:
                self.expected.append((burst[0], data))
                if error:
                    self.expected_errors.append(burst)
            self.sent = 0 if last else self.sent + 1
            if last:
                self.flight.popleft()

    def _collect(self) -> None:
        """After the edge: registered outputs."""
        c = self.cycles
        beat = c.get("beat_valid_o")
        if beat:
            client, data = self.expected.popleft()
            assert beat == 1 << client and c.get("beat_data_o") == data
        if c.get("err_o"):
            client, addr, _ = self.expected_errors.popleft()
            assert (c.get("err_client_o"), c.get("err_addr_o")) == (1 << client, addr)

    async def run(self, count: int) -> None:
        for _ in range(count):
            self._drive()
            await self.cycles.settle()
            self._sample()
            await self.cycles.step()
            self._collect()
            assert not self.expected and not self.expected_errors, "beat or error late"

    async def drain(self) -> None:
        self.traffic.ask = 0.0
        while any(self.asking) or self.accepted or self.flight:
            await self.run(1)
        await self.run(2)
        assert self.cycles.get("idle_o")


async def start(dut: Any, traffic: Traffic) -> Bench:
    cycles = Cycles(dut)
    await cycles.reset(flush_i=0, req_valid_i=0, arready_i=0, rvalid_i=0)
    assert cycles.get("idle_o") and not cycles.get("arvalid_o")
    return Bench(cycles, traffic)


@cocotb.test()
async def random_traffic(dut: Any) -> None:
    bench = await start(dut, Traffic())
    for _ in range(12):
        bench.traffic = Traffic(
            ask=random.choice([0.02, 0.3, 1.0]),
            arready=random.choice([0.1, 0.5, 1.0]),
            rvalid=random.choice([0.2, 0.7, 1.0]),
            latency=random.choice([1, 20, 60]),
        )
        await bench.run(250)
    await bench.drain()


@cocotb.test()
async def fair_and_full_rate(dut: Any) -> None:
    bench = await start(dut, Traffic(ask=1.0, arready=1.0, rvalid=1.0, latency=40))
    await bench.run(1500)
    assert max(bench.granted) - min(bench.granted) <= 1
    await bench.drain()


@cocotb.test()
async def errors(dut: Any) -> None:
    bench = await start(dut, Traffic(error=0.1))
    await bench.run(500)
    await bench.drain()


@cocotb.test()
async def flush(dut: Any) -> None:
    bench = await start(dut, Traffic(ask=1.0, latency=30, error=0.05))
    for _ in range(8):
        await bench.run(random.randint(20, 200))
        bench.flushing = True
        bench.asking = [None] * bench.clients  # clients are reset meanwhile
        await bench.drain()
        bench.flushing = False
        bench.traffic.ask = 1.0
    await bench.drain()
