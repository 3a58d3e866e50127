# SPDX-License-Identifier: Apache-2.0
"""burst_builder: random runs of beats are cut at burst boundaries and nowhere else."""

import random
from typing import Any

import cocotb

from tests.rtl.benches.cycles import Cycles, chance


def bursts(addr: int, beats: int, beat_bytes: int, longest: int) -> list[tuple[int, int]]:
    """Expected (address, beats) of a run."""
    found = []
    while beats:
        room = longest - addr // beat_bytes % longest
        count = min(beats, room)
        found.append((addr, count))
        addr, beats = addr + count * beat_bytes, beats - count
    return found


async def run(bench: Cycles, addr: int, beats: int, gap: float, ready: float) -> list[tuple[int, int]]:
    bench.set(start_i=1, addr_i=addr, step_i=0, last_i=0)
    await bench.step()
    bench.set(start_i=0, addr_i=random.getrandbits(40))
    found: list[tuple[int, int]] = []
    held: tuple[int, int] | None = None
    stepped = 0
    for _ in range(40 * beats + 50):
        if stepped == beats and not bench.get("req_valid_o"):
            return found
        bench.set(step_i=stepped < beats and not chance(gap), last_i=stepped == beats - 1)
        bench.set(req_ready_i=chance(ready))
        await bench.settle()
        if bench.get("req_valid_o"):
            request = (bench.get("req_addr_o"), bench.get("req_beats_o"))
            assert held in (None, request), "request changed before it was accepted"
            held = request
            if bench.get("req_ready_i"):
                found.append(request)
                held = None
        if ready == 1.0 and bench.get("step_i") and not bench.get("ready_o"):
            assert bench.get("last_i") and stepped > 0  # a burst of one beat right behind another burst
        stepped += bench.get("step_i") and bench.get("ready_o")
        await bench.step()
    raise AssertionError("run not finished")


@cocotb.test()
async def runs(dut: Any) -> None:
    beat, longest = (int(cocotb.plusargs[k]) for k in ("axi_bytes", "burst_beats"))
    bench = Cycles(dut)
    await bench.reset(start_i=0, step_i=0, last_i=0, req_ready_i=0)
    for beats in [1, 15, 16, 17, 32, 33, 64, *(random.randint(1, 80) for _ in range(20))]:
        addr = random.randrange(1 << 28) * 64
        gap, ready = random.choice([(0.0, 1.0), (0.5, 0.1), (0.0, 0.05), (0.3, 0.5)])
        assert await run(bench, addr, beats, gap, ready) == bursts(addr, beats, beat, longest)
