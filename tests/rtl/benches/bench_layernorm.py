# SPDX-License-Identifier: Apache-2.0
"""layernorm against peritus.reference.layernorm: whole instructions between stream and memory models."""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge

from peritus.arch.config import RESIDUAL_BITS, HwConfig, load_config
from peritus.arch.isa import Instruction, Opcode
from peritus.arch.params import pack_params
from peritus.reference.layernorm import layernorm
from tests.rtl.benches.pipeline import Ints, reset
from tests.rtl.benches.records import lanes

UNWRITTEN = -1000  # no int8
TIMEOUT = 1000  # cycles beyond one per word


def param_words(gamma: Ints, beta: Ints, shift: Ints, pn: int) -> list[int]:
    """Parameter blocks as weight words; what LayerNorm does not use is garbage."""
    fields = {"bias": beta, "mult1": gamma.astype(np.int16).view(np.uint16), "shift1": shift}
    count = len(gamma)
    fields |= {"shift2": np.array([random.getrandbits(8) for _ in range(count)])}
    blocks = pack_params(fields, np.arange(count), -(-count // pn), pn)
    return [int.from_bytes(word.tobytes(), "little") for word in blocks.reshape(-1, 2 * pn)]


class Bench:
    """The memories, and one instruction at a time."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.hw: HwConfig = load_config(str(cocotb.plusargs["hw"]))
        self.rng = np.random.default_rng(cocotb.RANDOM_SEED)
        self.residual = np.zeros((self.hw.residual_words, self.hw.pn), dtype=np.int64)
        self.act = np.full((self.hw.act_words, self.hw.pn), UNWRITTEN, dtype=np.int64)

    async def execute(self, instruction: Instruction, params: list[int], stall: float) -> tuple[int, int]:
        """Cycles from the first read to the first write and to idle_o; done_o comes when it should."""
        dut, hw = self.dut, self.hw
        dut.instr_i.value = instruction.encode()
        dut.start_i.value = 1
        await FallingEdge(dut.clk_i)
        dut.start_i.value = 0
        stream = list(reversed(params))
        offered = False
        requests: list[int | None] = [None, None, None]
        reads: list[int] = []
        announced: list[int] = []
        started = False
        writes: list[int] = []
        limit = int(len(params) / (1 - stall) * 2) + instruction.tokens * instruction.n_tiles + TIMEOUT
        for cycle in range(limit):
            offered = bool(stream) and (offered or random.random() >= stall)
            dut.w_valid_i.value = offered
            dut.w_data_i.value = stream[-1] if offered else random.getrandbits(16 * hw.pn)
            if offered and dut.w_ready_o.value:
                stream.pop()
                offered = False
            requests = [int(dut.res_raddr_o.value) if dut.res_re_o.value else None, *requests[:2]]
            garbage = random.getrandbits(RESIDUAL_BITS * hw.pn)
            answer = requests[2]
            dut.res_rdata_i.value = garbage if answer is None else lanes(self.residual[answer], RESIDUAL_BITS)
            if requests[0] is not None:
                reads.append(cycle)
            if dut.act_we_o.value:
                writes.append(cycle)
                word = int(dut.act_wdata_o.value).to_bytes(hw.pn, "little")
                self.act[int(dut.act_waddr_o.value)] = np.frombuffer(word, dtype=np.int8)
            if dut.done_o.value:
                announced.append(cycle)
            if started and dut.idle_o.value:
                assert not stream, f"{len(stream)} parameter words left"
                words = instruction.tokens * instruction.n_tiles
                assert len(reads) == len(writes) == words, (
                    f"{len(reads)} reads, {len(writes)} writes of {words}"
                )
                unread = instruction.keys * instruction.n_tiles
                last = reads[-1 - unread] if unread else cycle - 1
                assert announced == [last + 1], f"done_o at {announced}, expected once, at {last + 1}"
                return writes[0] - reads[0], cycle - reads[0]
            started = started or not dut.idle_o.value
            if announced:  # the instruction makes room for another
                dut.instr_i.value = random.getrandbits(256)
            await FallingEdge(dut.clk_i)
        raise AssertionError(f"not idle within {limit} cycles")

    async def check(self, x: Ints, epsilon: int = 0, stall: float = 0.0, shift: int | None = None) -> None:
        """Normalize x [tokens, width]: placed at random addresses and strides, padded to whole words."""
        hw, (tokens, width) = self.hw, x.shape
        n_tiles = -(-width // hw.pn)
        strides = [n_tiles + random.randrange(3) for _ in range(2)]
        spans = [(tokens - 1) * stride + n_tiles for stride in strides]
        src_base = random.randrange(hw.residual_words - spans[0] + 1)
        dst_base = random.randrange(hw.act_words - spans[1] + 1)
        padded = np.zeros((tokens, n_tiles * hw.pn), dtype=np.int64)
        padded[:, :width] = x
        rows = np.arange(tokens)[:, None] * strides[0] + src_base + np.arange(n_tiles)
        self.residual[:] = self.rng.integers(-(1 << 19), 1 << 19, self.residual.shape)
        self.residual[rows] = padded.reshape(tokens, n_tiles, hw.pn)
        self.act[:] = UNWRITTEN

        gamma, beta, shifts = np.zeros((3, n_tiles * hw.pn), dtype=np.int64)
        gamma[:width] = self.rng.integers(-(1 << 15), 1 << 15, width)
        beta[:width] = self.rng.integers(-(1 << 31), 1 << 31, width) >> self.rng.integers(0, 31, width)
        shifts[:width] = self.rng.integers(14, 22, width) if shift is None else shift
        instruction = Instruction(
            Opcode.LAYERNORM, tokens=tokens, n_tiles=n_tiles, width=width, imm=epsilon,
            src_base=src_base, src_stride=strides[0], dst_base=dst_base, dst_stride=strides[1],
            keys=random.choice([0, random.randrange(tokens)]),
        )  # fmt: skip
        first, done = await self.execute(instruction, param_words(gamma, beta, shifts, hw.pn), stall)

        expected = np.full_like(self.act, UNWRITTEN)
        q = np.zeros_like(padded)
        q[:, :width] = layernorm(x, gamma[:width], beta[:width], shifts[:width], epsilon)
        rows = np.arange(tokens)[:, None] * strides[1] + dst_base + np.arange(n_tiles)
        expected[rows] = q.reshape(tokens, n_tiles, hw.pn)
        wrong = np.argwhere(self.act != expected)
        if len(wrong):
            word, lane = wrong[0].tolist()
            got, want = self.act[word, lane], expected[word, lane]
            raise AssertionError(f"act[{word}][{lane}] = {got}, expected {want}; {len(wrong)} differ")
        latency = n_tiles + int(cocotb.plusargs["latency"])
        assert first == latency, f"first write {first} cycles after the first read, expected {latency}"
        assert done == latency + tokens * n_tiles, f"done {done} cycles after the first read"


async def make(dut: Any) -> Bench:
    bench = Bench(dut)
    dut.start_i.value = 0
    dut.w_valid_i.value = 0
    await reset(dut)
    return bench


@cocotb.test()
async def every_width(dut: Any) -> None:
    """One word to the most, with and without padding channels; residuals as large as models have them."""
    bench = await make(dut)
    hw = bench.hw
    for n_tiles in (1, 2, 3, hw.max_d_words):
        for width in (n_tiles * hw.pn, n_tiles * hw.pn - random.randrange(1, hw.pn)):
            tokens = random.choice([1, 2, 7])
            scale = int(bench.rng.integers(4, 6000))
            x = np.rint(bench.rng.normal(0, scale, (tokens, width))).astype(np.int64) + scale // 3
            await bench.check(x, epsilon=random.choice([0, 1, 1 << 20]), stall=random.choice([0.0, 0.7]))


@cocotb.test()
async def many_tokens(dut: Any) -> None:
    """Tokens of very different size one after another, as many as the residual memory holds."""
    bench = await make(dut)
    hw = bench.hw
    for n_tiles in (1, min(3, hw.max_d_words)):
        tokens = min(96, hw.residual_words // (n_tiles + 3))
        x = bench.rng.integers(-(1 << 19), 1 << 19, (tokens, n_tiles * hw.pn))
        x >>= bench.rng.integers(0, 19, (tokens, 1))
        await bench.check(x, epsilon=3, stall=0.3)


@cocotb.test()
async def corner_values(dut: Any) -> None:
    """Extreme and constant tokens, one channel, largest and no epsilon, every saturation."""
    bench = await make(dut)
    hw = bench.hw
    n = hw.max_d_words * hw.pn
    low, high = -(1 << 19), (1 << 19) - 1
    odd = np.arange(n) % 2 == 1
    alternating = np.where(odd, low, high)
    lowest = np.where(odd, low, -(1 << 15) + 1)  # after saturation one LSB apart
    highest = np.where(odd, high, (1 << 15) - 2)
    single = np.zeros(n, dtype=np.int64)
    single[-1] = high
    x = np.stack(
        [
            np.full(n, low),
            np.full(n, high),
            np.zeros(n, np.int64),
            alternating,
            lowest,
            highest,
            single,
            -single,
        ]
    )
    for epsilon in (0, 1, (1 << 32) - 1):
        await bench.check(x, epsilon)
    await bench.check(x, shift=1)
    await bench.check(x, shift=47)
    await bench.check(np.array([[0], [1], [-1], [low], [high]]))
