# SPDX-License-Identifier: Apache-2.0
"""mac_array against an integer matrix product: extreme operands, tiles rewritten as early as allowed."""

import random
from dataclasses import dataclass, field
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from peritus.arch.config import CASCADE
from peritus.reference.linear import matmul
from tests.rtl.benches.pipeline import Ints, Port, check_equal
from tests.rtl.benches.records import bench_config, lanes

STEPS = {"row": 1, "two": 2, "four": 4, "col": 1}  # rows or columns of a write


@dataclass
class Write:
    """One cycle of a write port: `index` is a row or column, `values` rows, or a column."""

    kind: str  # row, two, four, col
    index: int
    values: list[int]


@dataclass
class Plan:
    """What happens in each cycle: a write, a swap; and the tile that each cycle's operands should meet."""

    writes: dict[int, Write] = field(default_factory=dict)
    swaps: dict[int, Ints] = field(default_factory=dict)
    cycles: int = 0


def tile_writes(tile: Ints, kind: str, swapped: int, now: int, gap: float) -> dict[int, Write]:
    """Writes of one tile as early as the header allows after the swap of cycle `swapped`, or later."""
    pk, pn = tile.shape
    groups = pk // CASCADE
    step = STEPS[kind]
    writes: dict[int, Write] = {}
    for index in range(0, pn if kind == "col" else pk, step):
        reached = CASCADE if kind == "col" else (index + step - 1) // groups + 1
        now = max(now, swapped + reached)
        while random.random() < gap:
            now += 1
        part = tile[:, index] if kind == "col" else tile[index : index + step].reshape(-1)
        writes[now] = Write(kind, index, part.tolist())
        now += 1
    return writes


class Bench:
    """Drives a plan with one operand vector in every cycle and compares every sum."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.hw = dut, bench_config()
        self.rng = np.random.default_rng(cocotb.RANDOM_SEED)
        self.kinds = [kind for kind, step in STEPS.items() if step <= self.hw.rows_per_word]

    def plan(self, tiles: list[Ints], *, gap: float, hold: int) -> Plan:
        """Write, swap and hold each tile (for at least `hold` cycles); the next one is written meanwhile."""
        plan, swapped, now = Plan(), -CASCADE, 0
        for tile in tiles:
            writes = tile_writes(tile, random.choice(self.kinds), swapped, now, gap)
            plan.writes.update(writes)
            swapped = max(max(writes) + 1 + (random.random() < gap), swapped + hold)
            plan.swaps[swapped] = tile
            now = swapped
        plan.cycles = swapped + hold + 1
        return plan

    async def check(self, plan: Plan, operands: Ints) -> None:
        """operands: [values], drawn from at random for each lane and cycle."""
        dut, hw = self.dut, self.hw
        Clock(dut.clk_i, 10, unit="ns").start()
        x_port, sums = Port(dut, "x_i"), Port(dut, "sum_o", signed=True)
        x = self.rng.choice(operands, (plan.cycles, hw.pk))
        x[::7] = self.rng.choice(operands, (len(x[::7]), 1))  # all lanes alike
        dut.rst_ni.value = 0
        for name in ("row_we_i", "col_we_i", "swap_i", "row_count_i"):
            getattr(dut, name).value = 0
        for _ in range(4):
            await FallingEdge(dut.clk_i)
        dut.rst_ni.value = 1
        got: list[list[int]] = []
        latency = int(cocotb.plusargs["latency"])
        for cycle in range(plan.cycles + latency):
            if cycle >= latency:
                got.append(sums.read())
            write = plan.writes.get(cycle)
            rows = write is not None and write.kind != "col"
            dut.row_we_i.value = rows
            dut.col_we_i.value = write is not None and not rows
            if write is not None and rows:
                dut.row_i.value, dut.row_count_i.value = write.index, STEPS[write.kind]
                # Slots that are not written hold anything.
                slots = self.rng.integers(-128, 128, (hw.rows_per_word, hw.pn))
                given = np.reshape(write.values, (-1, hw.pn))
                slots[(write.index + np.arange(len(given))) % hw.rows_per_word] = given
                dut.row_data_i.value = lanes(slots.reshape(-1).tolist(), 8)
            elif write is not None:
                dut.col_i.value, dut.col_data_i.value = write.index, lanes(write.values, 8)
            dut.swap_i.value = cycle in plan.swaps
            if cycle < plan.cycles:
                x_port.write(x[cycle])
            await FallingEdge(dut.clk_i)
        swaps = sorted(plan.swaps)
        expected = np.concatenate(
            [
                matmul(x[start:end], plan.swaps[start])
                for start, end in zip(swaps, [*swaps[1:], plan.cycles], strict=True)
            ]
        )
        check_equal("sum_o", np.array(got[swaps[0] :], dtype=np.int64), expected)

    def tiles(self, count: int, values: Ints) -> list[Ints]:
        return [self.rng.choice(values, (self.hw.pk, self.hw.pn)) for _ in range(count)]


WEIGHTS = np.arange(-127, 128)
OPERANDS = np.arange(-128, 256)


@cocotb.test()
async def random_tiles(dut: Any) -> None:
    bench = Bench(dut)
    await bench.check(bench.plan(bench.tiles(30, WEIGHTS), gap=0.3, hold=1), OPERANDS)


@cocotb.test()
async def tightest_rewrites(dut: Any) -> None:
    """No gap between writes, nor between the last write and the swap."""
    bench = Bench(dut)
    await bench.check(bench.plan(bench.tiles(40, WEIGHTS), gap=0.0, hold=1), OPERANDS)


@cocotb.test()
async def extremes(dut: Any) -> None:
    """Weights of ±127 only, operands of int8 and uint8 extremes: the packed fields at their limits."""
    bench = Bench(dut)
    tiles = bench.tiles(30, np.array([-127, 127]))
    await bench.check(bench.plan(tiles, gap=0.1, hold=8), np.array([-128, 127, 255]))


@cocotb.test()
async def constant_tiles(dut: Any) -> None:
    """Both halves of the array at every pair of extremes, all rows alike: largest sums of either sign."""
    bench = Bench(dut)
    shape, half = (bench.hw.pk, bench.hw.pn // 2), [-127, -1, 0, 1, 127]
    tiles = [np.concatenate([np.full(shape, a), np.full(shape, b)], axis=1) for a in half for b in half]
    await bench.check(bench.plan(tiles, gap=0.0, hold=12), np.array([-128, -1, 0, 127, 255]))
