# SPDX-License-Identifier: Apache-2.0
"""core: random programs, every write to every memory compared with the instruction set interpreter.

The bench is the memory side: program memory, weight stream (stalls, drops), image loader, result writer.
"""

import random
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import cocotb
import numpy as np

from peritus.arch.config import HwConfig
from peritus.arch.isa import Dest, Instruction, Opcode
from peritus.arch.memories import Memory
from peritus.runtime.iss import WriteRecord
from tests.common.bad_counts import SMALLEST
from tests.rtl.benches.cycles import Cycles, chance
from tests.rtl.benches.program import Builder, Program, Segment
from tests.rtl.benches.records import Record, bench_config, lanes, unlanes

SOURCE_WORDS = 256
DESTINATIONS = [Dest.ACT, Dest.HIDDEN, Dest.KV, Dest.RES_ADD, Dest.RES_ACC, Dest.RES_SET]  # of any row


@dataclass(frozen=True)
class WritePort:
    """Internal signals of one writer of one memory."""

    memory: Memory
    enable: str
    addr: str
    data: str


PORTS = (
    WritePort(Memory.ACT, "wb_act_we", "wb_addr", "wb_byte"),
    WritePort(Memory.KV, "wb_kv_we", "wb_addr", "wb_byte"),
    WritePort(Memory.SCORE, "score_we", "wb_addr", "half"),
    WritePort(Memory.ROUTER, "wb_router_we", "wb_addr", "half"),
    WritePort(Memory.RESIDUAL, "wb_res_we", "wb_res_waddr", "wb_res"),
    WritePort(Memory.ACT, "ln_act_we", "ln_act_waddr", "ln_act_wdata"),
)


class Writes:
    """Takes the expected writes one by one and names the instruction, row and word of the first wrong one."""

    def __init__(self, program: Program, pn: int) -> None:
        self.pn, self.instructions = pn, program.instructions
        self.expected = iter([(record, i) for record in program.records for i in range(len(record))])

    def check(self, port: WritePort, addr: int, word: int) -> None:
        record, i = next(self.expected, (None, 0))
        assert record is not None, f"{port.enable} at {addr} after the last write of the program"
        where = self.describe(record, i)
        assert record.memory is port.memory, f"{where}: write to {port.memory}"
        if port.memory is not Memory.ROUTER:
            assert addr == record.address[i], f"{where}: address {addr}, expected {record.address[i]}"
        got = np.array(unlanes(word, self.pn, port.memory.lane_bits)[: record.lanes[i]])
        wrong = np.flatnonzero(got != record.data[i, : record.lanes[i]])
        assert not len(wrong), f"{where}: lanes {wrong} are {got[wrong]}, expected {record.data[i, wrong]}"

    def describe(self, record: WriteRecord, i: int) -> str:
        name = f"instruction {record.instruction} ({self.instructions[record.instruction]})"
        return f"{name}, row {record.row[i]}, word {record.word[i]}"

    def finish(self) -> None:
        left = [self.describe(record, i) for record, i in self.expected]
        assert not left, f"{len(left)} writes are missing, the first: {left[0]}"


class WeightSource:
    """The weight stream: words in order, stalls, ends of segments, drops of idle experts' segments.

    Now and then it promises a tile without a gap (w_plenty_i), and keeps the promise.
    """

    def __init__(self, cycles: Cycles, segments: list[Segment], hw: HwConfig, valid: float) -> None:
        self.cycles, self.valid = cycles, valid
        self.segments = deque(segments)
        self.word_bytes, self.tile_words = hw.weight_word_bytes, hw.tile_words
        self.promised = 0  # words that follow without a gap
        self.words: deque[int] = deque()
        self.offered = False
        self.ended = False  # the last word of a segment has been popped, seg_done_o has not been seen

    def drive(self) -> None:
        c = self.cycles
        if not self.words and not self.ended and self.segments and not self.segments[0].idle:
            data, size = self.segments.popleft().data, self.word_bytes
            self.words.extend(
                int.from_bytes(data[i : i + size].tobytes(), "little") for i in range(0, len(data), size)
            )
        plenty = len(self.words) >= self.tile_words and chance(self.valid)
        self.promised = self.tile_words if plenty else self.promised
        self.offered = bool(self.words) and (self.offered or self.promised > 0 or chance(self.valid))
        data = self.words[0] if self.offered else random.getrandbits(8 * self.word_bytes)
        c.set(w_valid_i=self.offered, w_data_i=data, w_plenty_i=plenty, drop_ready_i=chance(0.5))

    def sample(self) -> None:
        c = self.cycles
        if c.get("seg_done_o"):
            assert self.ended, "seg_done_o before the end of a segment"
            self.ended = False
        elif c.get("drop_valid_o"):
            assert not self.words and not self.ended, "drop within a segment"
            assert self.segments and self.segments[0].idle, "the next segment is not to be dropped"
            assert c.get("drop_stripes_o") == self.segments[0].stripes
            assert not c.get("w_ready_o"), "pop and drop at once"
            if c.get("drop_ready_i"):
                self.segments.popleft()
        if self.offered and c.get("w_ready_o"):
            self.words.popleft()
            self.offered, self.promised = False, max(self.promised - 1, 0)
            self.ended = not self.words

    @property
    def empty(self) -> bool:
        return not self.words and not self.segments and not self.ended


NONE_READING: deque[int | None] = deque([None, None])  # words on their way from the residual memory


class Bench:
    """Runs programs; counts what the attention bandwidth test asks for."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.hw = dut, bench_config()
        self.cycles = Cycles(dut, limit=400_000)
        self.job = Record("job_t", self.hw)
        self.builder = Builder(self.hw, np.random.default_rng(cocotb.RANDOM_SEED), SOURCE_WORDS)
        self.image: deque[int] = deque()  # words that the image loader still writes
        self.stored: deque[int] = deque()  # words that the result writer still reads
        self.storing = False
        self.reading = NONE_READING.copy()
        self.act_reads = 0  # slices, of the last job
        self.issued: list[int] = []  # cycles in which token vectors of the last job were issued
        self.written: list[int] = []  # cycles of its writes

    async def reset(self) -> None:
        inputs = (
            "job_valid_i w_valid_i drop_ready_i img_ready_i img_done_i img_we_i st_ready_i st_done_i st_re_i"
        )
        await self.cycles.reset(err_i=0, **dict.fromkeys(inputs.split(), 0))

    async def run(self, program: Program, valid: float = 1.0, task: int = 0, features: bool = False) -> None:
        """One job; `valid`: chance of a weight word per cycle."""
        c, hw = self.cycles, self.hw
        encoded = [instruction.encode() for instruction in program.instructions]
        assert len(encoded) <= hw.program_depth
        source = WeightSource(c, program.segments, hw, valid)
        writes = Writes(program, hw.pn)
        fetches: deque[int | None] = deque([None, None])
        seq = random.getrandbits(32)
        starts = self.act_reads = 0
        self.issued, self.written = [], []
        done = False
        c.set(job_i=self.job.pack(seq=seq, task_id=task, features_en=features), job_valid_i=1)
        while not done:
            source.drive()
            self.drive_units()
            pc = fetches.popleft()
            c.set(prog_rdata_i=random.getrandbits(256) if pc is None else encoded[pc])
            await c.settle()
            source.sample()
            self.check_stored()
            fetches.append(c.get("prog_raddr_o") if c.get("prog_re_o") else None)
            for port in PORTS:
                if c.get(port.enable):
                    writes.check(port, c.get(port.addr), c.get(port.data))
                    self.written.append(c.count)
            self.act_reads += c.get("act_re")
            if c.get("busy_o"):
                self.issued.append(c.count)
            starts += c.get("fetch_start_o")
            assert c.get("core_err_o") == 0
            done = bool(c.get("job_done_o"))
            assert not done or c.get("job_done_seq_o") == seq
            accepted = c.get("job_ready_o") and c.get("job_valid_i")
            await c.step()
            if accepted:
                c.set(job_valid_i=0, job_i=random.getrandbits(self.job.bits))
        assert starts == 1, f"{starts} pulses of fetch_start_o"
        writes.finish()
        assert source.empty, "the weight stream has not been used up"

    def drive_units(self) -> None:
        """Image loader: writes the builder's activations. Result writer: reads random residual words."""
        c, hw = self.cycles, self.hw
        c.set(img_ready_i=0, img_we_i=0, img_done_i=0, st_ready_i=0, st_re_i=0, st_done_i=0)
        if self.image:
            word = self.image.popleft()
            data = lanes(self.builder.state.act.data[word].tolist(), 8)
            c.set(
                img_we_i=1,
                img_waddr_i=word,
                img_wdata_i=data,
                img_wbe_i=(1 << hw.pn // hw.axi_data_bytes) - 1,
            )
            c.set(img_done_i=not self.image)
        elif c.get("img_valid_o") and chance(0.5):
            c.set(img_ready_i=1)
            self.image.extend(range(SOURCE_WORDS))
        elif c.get("st_valid_o") and chance(0.5):
            c.set(st_ready_i=1)
            self.stored.extend(random.sample(range(hw.residual_words), 40))
            self.storing = True
        elif self.stored and chance(0.7):
            c.set(st_re_i=1, st_raddr_i=self.stored[0])
        elif self.storing and not self.stored and self.reading == NONE_READING and chance(0.1):
            c.set(st_done_i=1)  # long after the last read, as all is written by then
            self.storing = False

    def check_stored(self) -> None:
        """STORE is the last instruction of its program, so the builder's residual memory is what it reads."""
        c = self.cycles
        word = self.reading.popleft()
        if word is not None:
            got = unlanes(c.get("st_rdata_o"), self.hw.pn, Memory.RESIDUAL.lane_bits)
            assert got == self.builder.state.residual.data[word].tolist(), f"residual word {word}"
        self.reading.append(self.stored.popleft() if c.get("st_re_i") else None)


async def start(dut: Any) -> Bench:
    """Reset, then a first job that fills the bench's activations and the residual memory."""
    bench = Bench(dut)
    await bench.reset()
    bench.builder.load_image()
    bench.builder.init_residual()
    await bench.run(bench.builder.finish())
    return bench


@cocotb.test()
async def gemms_back_to_back(dut: Any) -> None:
    """Random shapes to every destination without a wait between them, weights in time and late."""
    bench = await start(dut)
    build = bench.builder
    build.gemm(Dest.RES_SET, (bench.hw.acc_depth, 2, 2))
    for valid in (1.0, 1.0, 0.6, 0.2):
        for _ in range(16):
            build.gemm(random.choice(DESTINATIONS))
        build.init_residual()
        await bench.run(build.finish(), valid)


@cocotb.test()
async def short_passes(dut: Any) -> None:
    """Nothing but passes of a few rows: parameters, tiles and accumulators change as fast as they may."""
    bench = await start(dut)
    build = bench.builder
    for k_tiles in (1, 2, 5):
        for n_tiles in (1, 3):
            for rows in (1, 2, 15, 16, 17):
                build.gemm(Dest.RES_SET, (rows, k_tiles, n_tiles))
                build.gemm(Dest.ACT, (rows, k_tiles, n_tiles))
    await bench.run(build.finish())


@cocotb.test()
async def chained(dut: Any) -> None:
    """Each GEMM reads what the one before writes; LayerNorm, GEMMs and table loads alternate."""
    bench = await start(dut)
    build = bench.builder
    for valid in (1.0, 0.3):
        for _ in range(6):
            build.chain()
            if chance(0.5):
                build.normalize(random.randint(1, 12), random.randint(1, min(4, bench.hw.max_d_words)))
            if chance(0.3):
                build.init_residual(words=8)
        build.add(SMALLEST[Opcode.STORE])
        await bench.run(build.finish(), valid)


@cocotb.test()
async def attention(dut: Any) -> None:
    """Heads of one or more words, key counts below, at and between multiples of the array's size."""
    bench = await start(dut)
    build, hw = bench.builder, bench.hw
    for head_words, heads, keys, queries in (
        (1, 2, 1, 1),
        (1, 3, hw.pn, 3),
        (2, 1, hw.pn + 1, 2),
        (1, 2, hw.pk // 2, min(hw.acc_depth, hw.score_words // 2, SOURCE_WORDS // 2)),
        (3, 1, hw.pn + hw.pk // 2, 7),
        (1, 1, 3 * hw.pn + hw.pk // 2 + 1, 5),
    ):
        build.attention(heads, head_words, queries, keys)
        await bench.run(build.finish(), random.choice([1.0, 0.3]))


@cocotb.test()
async def experts(dut: Any) -> None:
    """Even and skewed routing: idle experts' segments are dropped, the others' rows gathered, scattered."""
    bench = await start(dut)
    build, hw = bench.builder, bench.hw
    idle = 0
    for top_k, favourites in ((1, 1), (hw.max_top_k, hw.max_top_k), (hw.max_top_k, hw.max_experts), (1, 0)):
        tokens = random.choice([1, 3, min(hw.acc_depth, 60)])
        build.init_residual()
        build.experts(tokens, top_k, favourites)
        program = build.finish()
        idle += sum(segment.idle for segment in program.segments)
        await bench.run(program, random.choice([1.0, 0.3]))
    assert idle >= hw.max_experts, "not enough idle experts to test drops"


@cocotb.test()
async def predication(dut: Any) -> None:
    """Instructions of other tasks, and of features nobody asked for, are skipped with their segments."""
    bench = await start(dut)
    build = bench.builder
    for task in (0, 3, 15):
        for features in (False, True):
            for _ in range(8):
                build.gemm(Dest.RES_SET, (random.randint(1, 20), 1, 1), task_mask=1 << task)
                skipped = Instruction(Opcode.GEMM, task_mask=0xFFFF & ~(1 << task), k_tiles=1, n_tiles=1)
                build.add(skipped, skipped=True)
                build.gemm(Dest.RES_SET, (random.randint(1, 20), 2, 1), features_only=int(features))
            build.add(replace(SMALLEST[Opcode.STORE], features_only=1), skipped=not features)
            await bench.run(build.finish(), 1.0, task, features)


@cocotb.test()
async def attention_bandwidth(dut: Any) -> None:
    """Q.K reads PK bytes of activations per vector, each of which meets PN keys: constant whatever PN is."""
    bench = await start(dut)
    build, hw = bench.builder, bench.hw
    queries, keys, width = 16, 32, 32
    head_words = width // hw.pn
    build.attention(1, head_words, queries, keys)
    await bench.run(build.finish())
    build.heads_of(1, head_words, queries, keys)  # the same keys and values: Q.K alone reads activations
    await bench.run(build.finish())
    blocks = keys // hw.pn
    products = queries * keys * width
    expected = queries * (width // hw.pk) * blocks
    assert bench.act_reads == expected, f"{bench.act_reads} slices read, expected {expected}"
    cycles = products / (hw.pk * hw.pn)  # in which the array works on Q.K
    per_cycle = bench.act_reads * hw.pk / cycles
    cocotb.log.info(f"PN = {hw.pn}: {hw.pk * hw.pn} MAC/cycle on {per_cycle:g} operand bytes/cycle")
    assert per_cycle == hw.pk


@cocotb.test()
async def latency(dut: Any) -> None:
    """From an issued row to its write: the length of the pipeline, whatever the destination."""
    bench = await start(dut)
    rows = 20
    for dst in DESTINATIONS:
        bench.builder.gemm(dst, (rows, 1, 1))
        await bench.run(bench.builder.finish())
        assert bench.issued == list(range(bench.issued[0], bench.issued[0] + rows))
        delays = {write - issue for issue, write in zip(bench.issued, bench.written, strict=True)}
        assert delays == {int(cocotb.plusargs["latency"])}, f"{dst.name}: {delays} cycles"
