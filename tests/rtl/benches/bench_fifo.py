# SPDX-License-Identifier: Apache-2.0
"""fifo against a deque, with random traffic on both sides and clears."""

import random
from collections import deque
from typing import Any

import cocotb

from tests.rtl.benches.cycles import Cycles, chance


async def traffic(dut: Any, push: float, pop: float, clear: float, cycles: int) -> None:
    depth, width = (int(cocotb.plusargs[k]) for k in ("Depth", "Width"))
    bench = Cycles(dut)
    await bench.reset(clear_i=0, valid_i=0, ready_i=0, data_i=0)
    model: deque[int] = deque()
    moved = 0
    for _ in range(cycles):
        data = random.getrandbits(width)
        bench.set(valid_i=chance(push), ready_i=chance(pop), clear_i=chance(clear), data_i=data)
        await bench.settle()
        assert bench.get("ready_o") == (len(model) < depth)
        assert bench.get("valid_o") == (len(model) > 0)
        if model:
            assert bench.get("data_o") == model[0]
        pushed = bench.get("valid_i") and len(model) < depth
        if bench.get("ready_i") and model:
            model.popleft()
            moved += 1
        if pushed:
            model.append(data)
        if bench.get("clear_i"):
            model.clear()
        await bench.step()
    assert moved > cycles * min(push, pop) / 4


@cocotb.test()
async def balanced(dut: Any) -> None:
    await traffic(dut, 0.5, 0.5, 0.0, 600)


@cocotb.test()
async def mostly_full(dut: Any) -> None:
    await traffic(dut, 0.9, 0.3, 0.02, 600)


@cocotb.test()
async def mostly_empty(dut: Any) -> None:
    await traffic(dut, 0.3, 0.9, 0.02, 600)


@cocotb.test()
async def full_speed(dut: Any) -> None:
    await traffic(dut, 1.0, 1.0, 0.0, 200)
