# SPDX-License-Identifier: Apache-2.0
"""result_writer: saturated rows in the order of peritus.reference.pixel_shuffle."""

import random
from collections import deque
from typing import Any

import cocotb
import numpy as np

from peritus.arch.isa import Instruction, Opcode
from peritus.reference.arithmetic import saturate
from peritus.reference.pixel_shuffle import pixel_shuffle
from tests.rtl.benches.bench_burst_builder import bursts
from tests.rtl.benches.cycles import Cycles, chance

ALL = (1 << 40) - 1
OUTPUT, FEATURES = 0x10_0000, 0x77_0000_0000
RES_BITS = 20


class Bench:
    """Residual memory in front, AXI writer behind."""

    def __init__(self, dut: Any) -> None:
        self.cycles = Cycles(dut)
        self.pn, self.beat = (int(cocotb.plusargs[k]) for k in ("pn", "axi_bytes"))
        self.residual = np.zeros((int(cocotb.plusargs["residual_words"]), self.pn), np.int64)
        self.ready = 0.5
        self.take = 0.6

    async def reset(self, output: tuple[int, int] = (0, ALL), features: tuple[int, int] = (0, ALL)) -> None:
        dut = self.cycles.dut
        dut.output_window_i.value = output[0] << 40 | output[1]
        dut.features_window_i.value = features[0] << 40 | features[1]
        self.reads: deque[int | None] = deque([None, None])
        self.requests: list[tuple[int, int]] = []
        self.beats: list[int] = []
        addrs = {"output_addr_i": OUTPUT, "features_addr_i": FEATURES}
        await self.cycles.reset(valid_i=0, req_ready_i=0, beat_ready_i=0, writer_idle_i=1, **addrs)

    def randomize(self) -> None:
        """Every 20-bit value is possible; those around the limits of 16 bits are likely."""
        shape = self.residual.shape
        rng = np.random.default_rng(random.getrandbits(32))
        corners = rng.choice([-(1 << 19), (1 << 19) - 1, 32767, 32768, -32768, -32769, 0, -1], shape)
        values = rng.integers(-(1 << 19), 1 << 19, shape)
        small = rng.integers(-40000, 40000, shape)
        self.residual = np.select(
            [rng.random(shape) < 0.2, rng.random(shape) < 0.5], [corners, values], small
        )

    async def cycle(self) -> bool:
        """One cycle; True in the cycle of done_o."""
        c = self.cycles
        word = self.reads.popleft()
        lanes = [random.getrandbits(RES_BITS)] * self.pn if word is None else self.residual[word].tolist()
        mask = (1 << RES_BITS) - 1
        c.set(rdata_i=sum((lane & mask) << (RES_BITS * i) for i, lane in enumerate(lanes)))
        owed = sum(beats for _, beats in self.requests) - len(self.beats)
        c.set(req_ready_i=chance(self.ready), beat_ready_i=owed > 0 and chance(self.take))
        await c.settle()
        self.reads.append(c.get("raddr_o") if c.get("re_o") else None)
        if c.get("req_valid_o") and c.get("req_ready_i"):
            self.requests.append((c.get("req_addr_o"), c.get("req_beats_o")))
        if c.get("beat_valid_o") and c.get("beat_ready_i"):
            self.beats.append(c.get("beat_data_o"))
        done = bool(c.get("done_o"))
        await c.step()
        return done

    async def start(self, instruction: Instruction) -> None:
        c = self.cycles
        assert c.get("ready_o")
        self.requests, self.beats = [], []
        c.set(valid_i=1, instr_i=instruction.encode(), writer_idle_i=0)
        await self.cycle()
        c.set(valid_i=0)
        await self.cycle()  # the instruction stays a cycle longer
        c.set(instr_i=random.getrandbits(256))

    async def store(self, instruction: Instruction) -> bytes:
        """Run one STORE; returns what was written. The last response comes late: done must wait for it."""
        await self.start(instruction)
        total = instruction.keys * instruction.k_tiles * instruction.tokens * instruction.n_tiles
        while len(self.beats) < total:
            assert not await self.cycle()
        for _ in range(random.choice([0, 3, 40])):
            assert not await self.cycle(), "done before the last response"
        self.cycles.set(writer_idle_i=1)
        for _ in range(4):
            if await self.cycle():
                break
        else:
            raise AssertionError("done_o never came")
        return b"".join(beat.to_bytes(self.beat, "little") for beat in self.beats)


@cocotb.test()
async def pixel_shuffled_logits(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    lanes = bench.beat // 2
    for rows, columns, scale, classes in [
        (1, 1, 1, 8),
        (2, 4, 4, 2),
        (2, 3, 2, 8),
        (3, 2, 4, 4),
        (1, 4, 4, 6),
    ]:
        if scale * classes % lanes or scale * scale * classes % lanes:
            continue
        channels = scale * scale * classes
        words = -(-channels // bench.pn)
        stride = words + random.choice([0, 1])
        base = random.randrange(len(bench.residual) - rows * columns * stride + 1)
        bench.randomize()
        bench.ready, bench.take = random.choice([(1.0, 1.0), (0.2, 0.5), (0.05, 1.0), (1.0, 0.1)])
        features, offset = random.getrandbits(1), random.randrange(64) * 64
        written = await bench.store(
            Instruction(
                Opcode.STORE,
                keys=rows,
                k_tiles=scale,
                tokens=columns,
                n_tiles=scale * classes // lanes,
                src_base=base,
                src_stride=stride,
                imm=offset,
                features_only=features,
            )
        )
        tokens = [
            bench.residual[base + t * stride :][:words].reshape(-1)[:channels] for t in range(rows * columns)
        ]
        expected = pixel_shuffle(saturate(np.array(tokens), 16), rows, columns, scale)
        np.testing.assert_array_equal(np.frombuffer(written, np.int16).reshape(expected.shape), expected)
        addr = (FEATURES if features else OUTPUT) + offset
        assert bench.requests == bursts(addr, len(written) // bench.beat, bench.beat, 16)
        assert bench.cycles.get("features_o") == features


@cocotb.test()
async def full_rate(dut: Any) -> None:
    """One beat per cycle when DDR accepts."""
    bench = Bench(dut)
    await bench.reset()
    bench.randomize()
    bench.ready = bench.take = 1.0
    beats = bench.pn * 2 // bench.beat
    rows = len(bench.residual)
    begin = bench.cycles.count
    written = await bench.store(
        Instruction(Opcode.STORE, keys=1, k_tiles=1, tokens=rows, n_tiles=beats, src_base=0, src_stride=1)
    )
    assert bench.cycles.count - begin <= rows * beats + 100
    np.testing.assert_array_equal(
        np.frombuffer(written, np.int16).reshape(bench.residual.shape), saturate(bench.residual, 16)
    )


@cocotb.test()
async def outside_window(dut: Any) -> None:
    """Each destination has its own window: the other one's does not help; reset recovers."""
    bench = Bench(dut)
    for features in (0, 1):
        instruction = Instruction(
            Opcode.STORE, keys=1, k_tiles=1, tokens=16, n_tiles=4, src_stride=1, features_only=features
        )
        base, other = (FEATURES, OUTPUT) if features else (OUTPUT, FEATURES)
        size = 64 * bench.beat
        for window, passed in [
            ((base, base + size - 1), 3),
            ((other, other + size), 0),
            ((base + 64, ALL), 0),
        ]:
            windows = {"features": window} if features else {"output": window}
            await bench.reset(**windows)
            bench.ready = bench.take = 1.0
            await bench.start(instruction)
            for _ in range(200):
                assert not await bench.cycle()
            wanted = bursts(base, 64, bench.beat, 16)
            assert bench.requests == wanted[:passed]
            assert bench.cycles.get("violation_o") and bench.cycles.get("features_o") == features
            assert bench.cycles.get("req_addr_o") == wanted[passed][0]
    await bench.reset()
    bench.randomize()
    await bench.store(instruction)
