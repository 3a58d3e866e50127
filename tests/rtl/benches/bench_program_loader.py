# SPDX-License-Identifier: Apache-2.0
"""program_loader: programs of all sizes land in their tables; bad sizes are refused."""

import random
from typing import Any

import cocotb

from tests.rtl.benches.bench_burst_builder import bursts
from tests.rtl.benches.cycles import Cycles
from tests.rtl.benches.read_memory import ReadMemory

ALL = (1 << 40) - 1
EXEC_BYTES, FETCH_BYTES = 32, 8


class Bench:
    def __init__(self, dut: Any) -> None:
        self.cycles = Cycles(dut)
        self.beat, self.program_depth, self.fetch_depth = (
            int(cocotb.plusargs[k]) for k in ("axi_bytes", "program_depth", "fetch_depth")
        )

    async def reset(self, window: tuple[int, int] = (0, ALL)) -> None:
        self.cycles.dut.window_i.value = window[0] << 40 | window[1]
        await self.cycles.reset(load_i=0, req_ready_i=0, beat_valid_i=0, addr_i=0, exec_i=0, fetch_i=0)

    async def command(self, addr: int, execs: int, fetches: int) -> None:
        self.cycles.set(load_i=1, addr_i=addr, exec_i=execs, fetch_i=fetches)
        await self.cycles.step()
        self.cycles.set(load_i=0)


@cocotb.test()
async def programs(dut: Any) -> None:
    bench = Bench(dut)
    c = bench.cycles
    await bench.reset()
    sizes = [(1, 0), (1, 1), (2, 1), (3, 2), (bench.program_depth, bench.fetch_depth)]
    for execs, fetches in [*sizes, *((random.randint(1, 40), random.randint(0, 40)) for _ in range(6))]:
        beats = -(-(execs * EXEC_BYTES + fetches * FETCH_BYTES) // bench.beat)
        content = random.randbytes(beats * bench.beat)
        addr = random.randrange(1 << 24) * 64
        memory = ReadMemory(c, content, addr, bench.beat)
        memory.ready, memory.valid = random.choice([(1.0, 1.0), (0.2, 0.4)])
        await bench.command(addr, execs, fetches)
        written: dict[tuple[int, int], bytes] = {}
        for _ in range(20_000):
            memory.drive()
            await c.settle()
            memory.sample()
            assert c.get("busy_o") and not c.get("illegal_o") and not c.get("violation_o")
            if c.get("we_o"):
                place = (c.get("we_fetch_o"), c.get("wbeat_o"))
                assert place not in written
                written[place] = c.get("wdata_o").to_bytes(bench.beat, "little")
            done = c.get("done_o")
            await c.step()
            if done:
                break
        else:
            raise AssertionError("done_o never came")
        assert not c.get("busy_o")
        exec_beats = execs * EXEC_BYTES // bench.beat
        expected = {}
        for i in range(beats):
            place = (0, i) if i < exec_beats else (1, i - exec_beats)
            expected[place] = content[i * bench.beat : (i + 1) * bench.beat]
        assert written == expected
        assert memory.requests == bursts(addr, beats, bench.beat, 16)


@cocotb.test()
async def bad_sizes(dut: Any) -> None:
    bench = Bench(dut)
    c = bench.cycles
    await bench.reset()
    for execs, fetches in [(0, 1), (bench.program_depth + 1, 0), (1, bench.fetch_depth + 1), (65535, 65535)]:
        await bench.command(0, execs, fetches)
        assert c.get("illegal_o") and not c.get("busy_o")
        for _ in range(30):
            c.set(req_ready_i=1)
            await c.settle()
            assert not c.get("req_valid_o") and not c.get("we_o")
            await c.step()
            assert not c.get("illegal_o")


@cocotb.test()
async def outside_window(dut: Any) -> None:
    bench = Bench(dut)
    c = bench.cycles
    size = 8 * EXEC_BYTES
    for window, addr in [((0x1000, 0x1000 + size - 1), 0x1000), ((0x1000, ALL), 0xFC0), ((0, ALL), 0x1008)]:
        await bench.reset(window)
        await bench.command(addr, 8, 0)
        passed = 0
        for _ in range(200):
            c.set(req_ready_i=1)
            await c.settle()
            passed += c.get("req_valid_o")
            await c.step()
        assert c.get("violation_o") and c.get("busy_o")
        assert passed == (
            len(bursts(addr, size // bench.beat, bench.beat, 16)) - 1 if window[1] != ALL else 0
        )
