# SPDX-License-Identifier: Apache-2.0
"""streamer: every token vector of random GEMMs in loop order, with tiles and results at any time."""

import random
from collections import deque
from typing import Any

import cocotb

from peritus.arch.config import MIN_PASS
from peritus.arch.isa import Dest, Function, Instruction, Opcode, Scale2, StreamSource
from tests.rtl.benches.cycles import Cycles, chance
from tests.rtl.benches.records import Record, bench_config


class Bench:
    """Queue of GEMMs in front, a loader that makes tiles ready, and a pipeline that retires results."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.hw = dut, bench_config()
        self.cycles = Cycles(dut)
        self.gemm, self.issue, self.token = (Record(n, self.hw) for n in ("gemm_t", "issue_t", "token_t"))
        self.gemms: deque[tuple[int, Instruction]] = deque()
        self.expected: deque[tuple[str, bool, dict[str, int], dict[str, int]]] = deque()
        self.results: deque[int] = deque()  # cycle in which each result retires
        self.in_flight = 0  # results issued and not retired

    async def reset(self) -> None:
        await self.cycles.reset(gemm_valid_i=0, tile_ready_i=0, retire_i=0)

    def add(self, rows: int, k_tiles: int, n_tiles: int, **fields: Any) -> None:
        """Queue a GEMM of random modes and addresses, and everything it must issue."""
        hw = self.hw
        source = random.choice(list(StreamSource))
        dst = random.choice([d for d in Dest if source is not StreamSource.SCORES or d is not Dest.SCORES])
        tiles, span = (n_tiles, hw.pn) if dst is Dest.SCORES else (k_tiles, hw.pk)
        modes = {
            "stream_src": source,
            "keys": (tiles - 1) * span + random.randint(1, span),
            "expert": random.randrange(hw.max_experts),
            "src_base": random.getrandbits(19),
            "src_stride": random.getrandbits(12),
            "dst_base": random.getrandbits(15),
            "dst_stride": random.getrandbits(12),
            "fn": random.choice(list(Function)),
            "scale2": random.choice(list(Scale2)),
            "shift2": random.getrandbits(6),
            "dst": dst,
            "scatter": random.getrandbits(1),
            **fields,
        }
        x = Instruction(Opcode.GEMM, tokens=random.getrandbits(12), k_tiles=k_tiles, n_tiles=n_tiles, **modes)
        self.gemms.append((rows, x))
        for nb in range(n_tiles):
            for kb in range(k_tiles):
                for row in range(rows):
                    token = {
                        "valid": 1,
                        "first_k": kb == 0,
                        "last_k": kb == k_tiles - 1,
                        "first_n": nb == 0,
                        "swap": row == 0,
                        "row": row,
                        "token": (row + (x.dst_base if x.dst is Dest.ROUTER else 0))
                        % (1 << (hw.acc_depth - 1).bit_length()),
                        "from_scores": x.stream_src is StreamSource.SCORES,
                        "fn": x.fn,
                        "scale2": x.scale2,
                        "shift2": x.shift2,
                        "dst": x.dst,
                    }
                    if x.dst is Dest.SCORES:
                        token["lanes"] = min(hw.pn, x.keys - nb * hw.pn)
                    issue = {
                        "gather": x.stream_src is StreamSource.ACT_GATHER,
                        "scatter": x.scatter,
                        "expert": x.expert,
                        "src_base": x.src_base + kb,
                        "src_stride": x.src_stride,
                        "dst_base": x.dst_base + nb,
                        "dst_stride": x.dst_stride,
                    }
                    if x.stream_src is StreamSource.SCORES:
                        issue["keys"] = min(hw.pk, x.keys - kb * hw.pk)
                    name = f"nb {nb} kb {kb} row {row} of {x}"
                    self.expected.append(
                        (name, bool(x.wait_stream and not nb and not kb and not row), issue, token)
                    )

    async def run(self, tile: float, latency: int) -> int:
        """Until all is issued and retired; tile: chance of the next tile per cycle. Returns the cycles."""
        c = self.cycles
        started, pass_began, ready = c.count, -MIN_PASS, False
        while self.gemms or self.expected or self.in_flight or not c.get("idle_o"):
            rows, gemm = self.gemms[0] if self.gemms else (random.getrandbits(4), None)
            word = gemm.encode() if gemm else random.getrandbits(256)
            ready = ready or (chance(tile) and c.count > started)
            retire = bool(self.results) and self.results[0] <= c.count
            c.set(gemm_valid_i=gemm is not None, gemm_i=self.gemm.pack(count=rows, instr=word))
            c.set(tile_ready_i=ready, retire_i=retire)
            await c.settle()
            taken = bool(c.get("tile_taken_o"))
            assert not taken or ready, "takes a tile that is not ready"
            assert not (taken and c.get("stall_weight_o"))
            assert not c.get("stall_wait_o") or (gemm is not None and not c.get("gemm_ready_o"))
            if taken:
                assert c.count - pass_began >= MIN_PASS, f"a pass of {c.count - pass_began} cycles"
                pass_began, ready = c.count, False
            self.check_issue(latency)
            if c.get("idle_o"):
                assert not self.in_flight, "idle with results in flight"
            if retire:
                self.results.popleft()
                self.in_flight -= 1
            if gemm is not None and c.get("gemm_ready_o"):
                self.gemms.popleft()
            await c.step()
        return c.count - started

    def check_issue(self, latency: int) -> None:
        c = self.cycles
        issue = self.issue.unpack(c.get("issue_o"))
        token = self.token.unpack(issue["token"])
        if not token["valid"]:
            return
        assert self.expected, "issues a vector after the last"
        name, waits, fields, token_fields = self.expected.popleft()
        assert not waits or not self.in_flight, f"{name}: {self.in_flight} earlier results are not written"
        got = {k: issue[k] for k in fields} | {k: token[k] for k in token_fields}
        want = {k: int(v) for k, v in (fields | token_fields).items()}
        wrong = {k: (got[k], want[k]) for k in want if got[k] != want[k]}
        assert not wrong, f"{name}: (got, expected) {wrong}"
        if token["last_k"]:
            self.in_flight += 1
            after = self.results[-1] + 1 if self.results else 0
            self.results.append(max(after, c.count + latency))

    def random_gemm(self) -> None:
        rows = random.choice([1, 2, 15, 16, 17, random.randint(1, self.hw.acc_depth)])
        self.add(
            rows, random.choice([1, 1, 2, 4]), random.choice([1, 2, 3]), wait_stream=random.getrandbits(1)
        )


@cocotb.test()
async def random_gemms(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    for tile, latency in ((1.0, 30), (1.0, 2), (0.1, 50), (0.4, 20)):
        for _ in range(15):
            bench.random_gemm()
        await bench.run(tile, latency)


@cocotb.test()
async def no_bubbles(dut: Any) -> None:
    """Passes of MIN_PASS rows or more follow each other without an idle cycle, also across instructions."""
    bench = Bench(dut)
    await bench.reset()
    vectors, latency = 0, 30
    for rows, k_tiles, n_tiles in (
        (16, 1, 1),
        (16, 3, 2),
        (20, 1, 4),
        (bench.hw.acc_depth, 2, 1),
        (17, 1, 1),
    ):
        bench.add(rows, k_tiles, n_tiles, wait_stream=0)
        vectors += rows * k_tiles * n_tiles
    cycles = await bench.run(1.0, latency)
    assert cycles <= vectors + latency + 5, f"{cycles} cycles for {vectors} vectors"


@cocotb.test()
async def short_passes(dut: Any) -> None:
    """A pass of few rows lasts MIN_PASS cycles and no longer."""
    bench = Bench(dut)
    await bench.reset()
    for _ in range(20):
        bench.add(random.randint(1, MIN_PASS), 2, 1, wait_stream=0)
    cycles = await bench.run(1.0, 30)
    assert cycles <= 40 * MIN_PASS + 35


@cocotb.test()
async def waits(dut: Any) -> None:
    """Each instruction waits for the one before, also for its only result that has not yet left."""
    bench = Bench(dut)
    await bench.reset()
    for latency in (2, 30, 60):
        for _ in range(6):
            bench.add(random.choice([1, 1, 2, 20]), random.choice([1, 5]), 1, wait_stream=1)
        await bench.run(1.0, latency)
