# SPDX-License-Identifier: Apache-2.0
"""guard: bursts inside, at the edges of, and outside random windows, with backpressure."""

import random
from typing import Any

import cocotb

from tests.rtl.benches.cycles import Cycles, chance

TOP = 1 << 40


def allowed(base: int, limit: int, addr: int, size: int, align: int) -> bool:
    return base <= addr and addr + size <= limit and addr % align == 0


async def offer(bench: Cycles, addr: int, beats: int) -> bool:
    """Send one request; True if it passed, False if it was refused."""
    bench.set(req_valid_i=1, req_addr_i=addr, req_beats_i=beats)
    while True:
        await bench.settle()
        taken = bench.get("req_ready_o")
        await bench.step()
        if taken:
            break
    bench.set(req_valid_i=0, req_addr_i=random.getrandbits(40), req_beats_i=random.randrange(32))
    for _ in range(50):
        bench.set(req_ready_i=chance(0.4))
        await bench.settle()
        valid, refused = bench.get("req_valid_o"), bench.get("violation_o")
        assert not (valid and refused)
        if valid or refused:
            assert bench.get("req_addr_o") == addr
        if valid:
            assert bench.get("req_beats_o") == beats
        done = refused or (valid and bench.get("req_ready_i"))
        await bench.step()
        if done:
            return not refused
    raise AssertionError("request neither passed nor refused")


def edge_addresses(base: int, limit: int, size: int, align: int) -> list[int]:
    near = [base, base - align, base + align, limit - size, limit - size + align, limit, 0, TOP - size]
    return [a % TOP for a in near] + [(base + 8) % TOP, (base + align // 2) % TOP]


@cocotb.test()
async def windows(dut: Any) -> None:
    align, beat = (int(cocotb.plusargs[k]) for k in ("AlignBytes", "axi_bytes"))
    bench = Cycles(dut)
    passed = refused = 0
    for _ in range(120):
        base = random.choice([0, random.randrange(TOP // align) * align, TOP - 64 * align])
        limit = random.choice([base, base + align, min(base + random.randrange(1, 64) * align, TOP - 1)])
        limit = min(limit, TOP - 1)
        dut.window_i.value = (base << 40) | limit
        await bench.reset(req_valid_i=0, req_ready_i=0)
        for _ in range(6):
            beats = random.choice([1, 16, random.randint(1, 16)])
            inside = base + random.randrange(max(1, (limit - base) // align)) * align
            addr = random.choice([inside, inside, *edge_addresses(base, limit, beats * beat, align)])
            expected = allowed(base, limit, addr, beats * beat, align)
            assert await offer(bench, addr, beats) == expected, f"{addr:#x}+{beats} in {base:#x}..{limit:#x}"
            if not expected:
                refused += 1
                for _ in range(5):  # nothing passes any more until reset
                    bench.set(req_valid_i=1, req_addr_i=base, req_beats_i=1, req_ready_i=1)
                    await bench.settle()
                    assert bench.get("violation_o") and not bench.get("req_valid_o")
                    assert not bench.get("req_ready_o") and bench.get("req_addr_o") == addr
                    await bench.step()
                break
            passed += 1
    assert passed > 10 and refused > 10
