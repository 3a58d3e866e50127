# SPDX-License-Identifier: Apache-2.0
"""router against peritus.reference.router: whole gates, skewed and even, and the queues read back."""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge

from peritus.reference.router import Routing, route
from tests.rtl.benches.pipeline import Ints, Port, reset

BUSY_TIMEOUT = 200  # cycles from the last token


class Bench:
    """Size of the configuration, and the two transactions: route a gate, read the queues."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.experts, self.top_k, self.depth = (
            int(cocotb.plusargs[k]) for k in ("experts", "top_k", "depth")
        )
        self.logits = Port(dut, "logits_i")
        self.counts = Port(dut, "count_o")
        self.rng = np.random.default_rng(cocotb.RANDOM_SEED)

    async def reset(self) -> None:
        self.dut.start_i.value = self.dut.append_i.value = 0
        self.dut.q_re_i.value = 0
        await reset(self.dut)
        assert not self.dut.busy_o.value

    async def gate(self, logits: Ints, top_k: int, gap: float, first: int = 0) -> None:
        """Feed logits [tokens, experts] of tokens from `first` on; return when busy_o has fallen."""
        dut, (tokens, experts) = self.dut, logits.shape
        garbage = self.rng.integers(-(1 << 15), 1 << 15, (tokens, self.experts))
        garbage[:, :experts] = logits
        dut.start_i.value, dut.append_i.value = 1, first > 0
        dut.experts_i.value, dut.top_k_i.value, dut.tokens_i.value = experts, top_k, tokens
        await FallingEdge(dut.clk_i)
        dut.start_i.value = 0
        dut.experts_i.value, dut.top_k_i.value, dut.tokens_i.value = 1, 1, 0  # latched
        for token, row in enumerate(garbage):
            while random.random() < gap:
                dut.valid_i.value = 0
                await FallingEdge(dut.clk_i)
            dut.valid_i.value = 1
            dut.token_i.value = first + token
            self.logits.write(row)
            assert dut.busy_o.value, "idle before the last token"
            await FallingEdge(dut.clk_i)
        dut.valid_i.value = 0
        for _ in range(BUSY_TIMEOUT):
            if not dut.busy_o.value:
                return
            await FallingEdge(dut.clk_i)
        raise AssertionError(f"busy_o still high {BUSY_TIMEOUT} cycles after the last token")

    async def queues(self) -> list[list[tuple[int, int]]]:
        """(token, score) of every queue, read in random order, one per cycle, data two cycles later."""
        dut, counts = self.dut, self.counts.read()
        wanted = [(e, i) for e, count in enumerate(counts) for i in range(count)]
        random.shuffle(wanted)
        found: list[list[tuple[int, int]]] = [[(-1, -1)] * count for count in counts]
        for step in range(len(wanted) + 2):
            if step >= 2:
                e, i = wanted[step - 2]
                found[e][i] = (int(dut.q_token_o.value), int(dut.q_score_o.value))
            dut.q_re_i.value = step < len(wanted)
            if step < len(wanted):
                dut.q_expert_i.value, dut.q_index_i.value = wanted[step]
            await FallingEdge(dut.clk_i)
        return found

    async def check(self, logits: Ints, top_k: int, gap: float = 0.0, gates: int = 1) -> None:
        """gates: that many, one behind the other, share the queues."""
        for part in np.array_split(np.arange(len(logits)), gates):
            await self.gate(logits[part], top_k, gap, int(part[0]))
        expected: Routing = route(logits, top_k)
        found = await self.queues()
        for e in range(self.experts):
            tokens, scores = expected.queue(e)
            want = list(zip(tokens.tolist(), scores.tolist(), strict=True))
            assert found[e] == want, f"queue of expert {e}: {found[e]}, expected {want}"


@cocotb.test()
async def random_gates(dut: Any) -> None:
    """Every number of experts and top_k in random order, logits near and far apart, random gaps."""
    bench = Bench(dut)
    await bench.reset()
    shapes = [(n, k) for n in range(1, bench.experts + 1) for k in range(1, min(bench.top_k, n) + 1)]
    random.shuffle(shapes)
    for experts, top_k in shapes:
        tokens = random.choice([1, 2, bench.depth // 2, bench.depth])
        spread = random.choice([2, 300, 3000, 1 << 15])
        logits = bench.rng.integers(-spread, spread, (tokens, experts))
        await bench.check(logits, top_k, gap=random.choice([0.0, 0.3, 0.8]))


@cocotb.test()
async def gates_behind_one_another(dut: Any) -> None:
    """A gate whose tokens come behind those of the gate before; the one after it empties the queues."""
    bench = Bench(dut)
    await bench.reset()
    for gates in (2, 1, 3):
        logits = bench.rng.integers(-3000, 3000, (bench.depth - gates, bench.experts))
        await bench.check(logits, bench.top_k, gap=0.2, gates=gates)


@cocotb.test()
async def skewed_gates(dut: Any) -> None:
    """All tokens on the last expert, all logits equal (lowest index wins), extreme logits, idle experts."""
    bench = Bench(dut)
    await bench.reset()
    n, k, tokens = bench.experts, bench.top_k, bench.depth
    one_expert = np.zeros((tokens, n), dtype=np.int64)
    one_expert[:, -1] = 1
    equal = np.repeat(bench.rng.integers(-(1 << 15), 1 << 15, (tokens, 1)), n, axis=1)
    extreme = bench.rng.choice([-(1 << 15), (1 << 15) - 1], (tokens, n))
    two_experts = np.full((tokens, n), -(1 << 15))
    two_experts[:, :2] = bench.rng.integers(0, 2, (tokens, 2))
    for logits in (one_expert, equal, extreme, two_experts):
        for top_k in (1, k):
            await bench.check(logits, top_k)


@cocotb.test()
async def score_steps(dut: Any) -> None:
    """Two experts whose logits differ by every distance of the first octaves, then by whole octaves."""
    bench = Bench(dut)
    await bench.reset()
    distances = np.concatenate([np.arange(768), np.arange(768, 1 << 16, 253)])
    high = np.full_like(distances, (1 << 15) - 1)
    logits = np.stack([high, high - distances], axis=1)
    for start in range(0, len(logits), bench.depth):
        await bench.check(logits[start : start + bench.depth], 2)
