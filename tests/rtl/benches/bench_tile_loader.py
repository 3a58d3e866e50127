# SPDX-License-Identifier: Apache-2.0
"""tile_loader beside a model of the array: each tile is whole while the swap travels through it.

The bench plays weight stream and kv memory, streamer (takes tiles), array (swaps) and epilogue (takes
parameters), each with random delays.
"""

import random
from collections import deque
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np

from peritus.arch.config import CASCADE, HwConfig
from peritus.arch.isa import Dest, Instruction, Opcode, Scale2, StatSource
from peritus.arch.params import FIELDS, Params, block_words
from tests.rtl.benches.cycles import Cycles, chance
from tests.rtl.benches.pipeline import Ints
from tests.rtl.benches.program import Builder
from tests.rtl.benches.records import Record, bench_config, lanes, unlanes

SWAP_AFTER = 11  # cycles at least from tile_taken_i to swapped_i: issue register and operand fetch
PARAM_WIDTHS = {field.name: 8 * field.bytes for field in FIELDS}


@dataclass
class Tile:
    """What must be in the array: values where `valid`; parameters that come with it (last tile of a word)."""

    name: str
    values: Ints
    valid: Ints
    params: dict[str, list[int]] | None


@dataclass
class Delays:
    """Chances per cycle of an instruction, a weight word and w_plenty_i; largest delays of the consumers."""

    gemm: float
    valid: float
    plenty: float
    take: int
    swap: int
    params: int


class Bench:
    """The loader's surroundings and the instructions in progress."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.hw = dut, bench_config()
        self.cycles = Cycles(dut)
        self.rng = np.random.default_rng(cocotb.RANDOM_SEED)
        self.builder = Builder(self.hw, self.rng, 0)
        self.gemm, self.block = Record("gemm_t", self.hw), Record("param_block_t", self.hw)
        self.kv = self.rng.integers(-127, 128, (self.hw.kv_words, self.hw.pn))
        self.shadow = np.zeros((self.hw.pk, self.hw.pn), np.int64)
        self.gemms: deque[Instruction] = deque()
        self.words: deque[tuple[int, int]] = deque()  # segment, weight word
        self.resident: list[int] = []  # words that stay on chip
        self.resident_at: int | None = None  # the next one that leaves
        self.resident_wait = 0  # cycles until it is there
        self.segments = self.ended = 0  # in the stream, seg_done_o pulses
        self.ready: deque[Tile] = deque()  # tiles that the streamer will take, in order
        self.swaps: deque[tuple[int, Tile]] = deque()  # cycle of the swap
        self.params: deque[tuple[int, Tile]] = deque()  # cycle in which the epilogue takes them
        self.kv_reads: deque[int | None] = deque([None, None])
        self.readable: set[int] = set()
        self.tiles_seen = 0
        self.busy: list[int] = []  # cycles from a swap to the next tile_ready_o
        self.last_swap: int | None = None

    async def reset(self) -> None:
        inputs = "gemm_valid_i w_valid_i res_valid_i params_taken_i tile_taken_i swapped_i"
        await self.cycles.reset(**dict.fromkeys(inputs.split(), 0))

    # --- instructions ---

    def weights(self, k_tiles: int, n_tiles: int, params: int, int4: int = 0, resident: bool = False) -> None:
        fields = {"k_tiles": k_tiles, "n_tiles": n_tiles, "params": params, "tokens": 1, "int4": int4}
        fields["scale2"] = random.choice([Scale2.NONE, Scale2.CHANNEL])
        if resident:
            fields |= {"stat_src": StatSource.RESIDENT, "stat_base": len(self.resident)}
        matrix = self.builder.weights(k_tiles, n_tiles, False, int4)
        self.add(Instruction(Opcode.GEMM, **fields, **self.immediates()), matrix, np.ones_like(matrix))

    def keys(self, keys: int, k_tiles: int, stride: int) -> None:
        hw = self.hw
        n_tiles = -(-keys // hw.pn)
        base = random.randrange(hw.kv_words - (keys - 1) * stride - -(-k_tiles // hw.slices) + 1)
        rows = base + np.arange(keys) * stride
        channels = np.arange(k_tiles * hw.pk)
        matrix = np.zeros((k_tiles * hw.pk, n_tiles * hw.pn), np.int64)
        matrix[:, :keys] = self.kv[rows[:, None] + channels // hw.pn, channels % hw.pn].T
        valid = np.broadcast_to(np.arange(n_tiles * hw.pn) < keys, matrix.shape)
        self.readable |= set((rows[:, None] + channels // hw.pn).reshape(-1).tolist())
        fields = {"stat_src": StatSource.KEYS, "stat_base": base, "stat_stride": stride, "keys": keys}
        fields |= {"k_tiles": k_tiles, "n_tiles": n_tiles, "dst": Dest.SCORES}
        self.add(Instruction(Opcode.GEMM, **fields, **self.immediates()), matrix, valid)

    def values(self, keys: int, n_tiles: int, stride: int, params: int) -> None:
        hw = self.hw
        keys = min(keys, (hw.kv_words - n_tiles) // stride + 1)
        k_tiles = -(-keys // hw.pk)
        base = random.randrange(hw.kv_words - (keys - 1) * stride - n_tiles + 1)
        rows = base + np.arange(keys) * stride
        matrix = np.zeros((k_tiles * hw.pk, n_tiles * hw.pn), np.int64)
        words = rows[:, None] + np.arange(n_tiles)
        matrix[:keys] = self.kv[words].reshape(keys, -1)
        valid = np.broadcast_to((np.arange(k_tiles * hw.pk) < keys)[:, None], matrix.shape)
        self.readable |= set(words.reshape(-1).tolist())
        fields = {"stat_src": StatSource.VALUES, "stat_base": base, "stat_stride": stride, "keys": keys}
        fields |= {"k_tiles": k_tiles, "n_tiles": n_tiles, "params": params}
        self.add(Instruction(Opcode.GEMM, **fields, **self.immediates()), matrix, valid)

    def immediates(self) -> dict[str, int]:
        return {"imm_mult": random.getrandbits(16), "imm_shift": random.getrandbits(6)}

    def add(self, instruction: Instruction, matrix: Ints, valid: Ints) -> None:
        """Queue the instruction, its segment, and the tiles it must load."""
        hw, pk, pn = self.hw, self.hw.pk, self.hw.pn
        k_tiles, n_tiles = instruction.k_tiles, instruction.n_tiles
        blocks, params = [], []
        for _ in range(n_tiles):
            immediate = {
                "bias": 0,
                "mult1": instruction.imm_mult,
                "shift1": instruction.imm_shift,
                "shift2": 1,
            }
            scale2 = instruction.scale2
            block = self.builder.param_block(False, k_tiles * pk, 8, scale2=scale2)
            fields = {k: [v] * pn for k, v in immediate.items()}  # without stage 2 multipliers
            if instruction.params:
                found = Params(block, pn, block_words(scale2))
                names = set(PARAM_WIDTHS) - ({"mult2"} if scale2 is not Scale2.CHANNEL else set())
                fields = {name: found[name].tolist() for name in names}
                blocks.append(block)
            params.append(fields)
        streamed = instruction.stat_src is StatSource.WEIGHTS
        if instruction.stat_src is StatSource.RESIDENT:
            segment = self.builder.segment(matrix, blocks, instruction.int4)
            for row in segment.reshape(-1, hw.weight_word_bytes):
                self.resident.append(int.from_bytes(row.tobytes(), "little"))
        elif streamed or blocks:
            segment = self.builder.segment(matrix if streamed else None, blocks, instruction.int4)
            padded = np.resize(segment, -(-len(segment) // hw.stripe_bytes) * hw.stripe_bytes)
            for row in padded.reshape(-1, hw.weight_word_bytes):
                self.words.append((self.segments, int.from_bytes(row.tobytes(), "little")))
            self.segments += 1
        for nb in range(n_tiles):
            for kb in range(k_tiles):
                part = slice(kb * pk, (kb + 1) * pk), slice(nb * pn, (nb + 1) * pn)
                name = f"{instruction.stat_src.name} {k_tiles}x{n_tiles} tile nb {nb} kb {kb}"
                last = params[nb] if kb == k_tiles - 1 else None
                self.ready.append(Tile(name, matrix[part], valid[part], last))
        self.gemms.append(instruction)

    # --- one cycle ---

    async def run(self, delays: Delays) -> None:
        """Until every queued instruction's tiles have been used."""
        c = self.cycles
        take_in, offered, queued = 0, False, False
        promised = 0  # words that follow without a gap
        while self.gemms or self.ready or self.swaps or self.params or self.ended < self.segments:
            now = c.count
            queued = bool(self.gemms) and (queued or chance(delays.gemm))
            gemm = self.gemms[0].encode() if queued else random.getrandbits(256)
            c.set(gemm_valid_i=queued, gemm_i=self.gemm.pack(count=1, instr=gemm))
            plenty = len(self.words) >= self.hw.tile_words and chance(delays.plenty)
            promised = self.hw.tile_words if plenty else promised
            offered = bool(self.words) and (offered or promised > 0 or chance(delays.valid))
            word = self.words[0][1] if offered else random.getrandbits(8 * self.hw.weight_word_bytes)
            c.set(w_valid_i=offered, w_data_i=word, w_plenty_i=plenty)
            there = self.resident_at is not None and self.resident_wait == 0
            at = self.resident_at if there and self.resident_at is not None else 0
            # What is beyond the last word is anything, and nobody takes it.
            kept = self.resident[at] if there and at < len(self.resident) else 0
            c.set(res_valid_i=there, res_data_i=kept)
            address = self.kv_reads.popleft()
            row = self.rng.integers(-128, 128, self.hw.pn) if address is None else self.kv[address]
            c.set(kv_rdata_i=lanes(row.tolist(), 8))
            c.set(swapped_i=bool(self.swaps) and self.swaps[-1][0] == now)
            c.set(params_taken_i=bool(self.params) and self.params[0][0] == now)
            take_in = max(take_in - 1, 0)
            ready = c.get("tile_ready_o")  # depends on registers only
            taken = bool(ready) and take_in == 0
            c.set(tile_taken_i=taken)
            if ready and self.last_swap is not None:
                self.busy.append(now - self.last_swap)
                self.last_swap = None
            await c.settle()
            self.check(now)
            if there and c.get("res_ready_o"):
                assert at < len(self.resident), "takes more words than are kept"
                self.resident_at = at + 1
            self.resident_wait = max(0, self.resident_wait - 1)
            if c.get("res_start_o"):
                self.resident_at, self.resident_wait = c.get("res_addr_o"), 3
            accepted = queued and c.get("gemm_ready_o")
            popped = offered and c.get("w_ready_o")
            self.kv_reads.append(c.get("kv_raddr_o") if c.get("kv_re_o") else None)
            if accepted:
                self.gemms.popleft()
                queued = False
            if popped:
                assert self.words.popleft()[0] == self.ended, (
                    "pops a segment before the end of the one before"
                )
                offered, promised = False, max(promised - 1, 0)
            if taken:
                tile = self.ready.popleft()
                swap = now + SWAP_AFTER + random.randint(0, delays.swap)
                self.swaps.append((swap, tile))
                if tile.params:
                    self.params.append((swap + 1 + random.randint(0, delays.params), tile))
                take_in = 1 + random.randint(0, delays.take)
            await c.step()
        assert not self.words, f"{len(self.words)} weight words left"

    def check(self, now: int) -> None:
        """Array, parameters and signals as they are before this cycle's edge; then what the edge writes."""
        c, hw = self.cycles, self.hw
        groups = hw.pk // CASCADE
        for swap, tile in self.swaps:
            # The swap takes the rows of these positions from the shadow.
            for position in (p for p in range(CASCADE) if hw.mac_stage(p) == now - swap):
                rows = slice(position * groups, (position + 1) * groups)
                same = (self.shadow[rows] == tile.values[rows]) | (tile.valid[rows] == 0)
                assert same.all(), f"{tile.name}: rows {rows.start}.. differ when the swap reaches them"
            if now == swap:
                self.last_swap = now
        if self.swaps and now - self.swaps[0][0] >= hw.mac_stage(CASCADE - 1):
            self.swaps.popleft()
            self.tiles_seen += 1
        for taken, tile in self.params:
            fields = self.block.unpack(c.get("params_o")) if now in (taken, taken + 1) else {}
            # The epilogue reads the bias at once, the rest a cycle later.
            names = {"bias"} if now == taken else set(PARAM_WIDTHS) - {"bias"}
            for name in names & set(tile.params or {}) & set(fields):
                got = unlanes(fields[name], hw.pn, PARAM_WIDTHS[name], signed=name == "bias")
                assert got == (tile.params or {})[name], f"{tile.name}: {name}"
        if self.params and now == self.params[0][0] + 1:
            self.params.popleft()
        if c.get("seg_done_o"):
            self.ended += 1
            assert not self.words or self.words[0][0] == self.ended, "seg_done_o within a segment"
            assert not c.get("idle_o"), "idle in the cycle of seg_done_o: a drop would meet it"
        if c.get("idle_o"):
            assert not self.ready or self.gemms, "idle with tiles to load"
        if c.get("kv_re_o"):
            assert c.get("kv_raddr_o") in self.readable, f"reads kv word {c.get('kv_raddr_o')}"
        assert not (c.get("row_we_o") and c.get("col_we_o"))
        if c.get("row_we_o"):
            data = np.reshape(unlanes(c.get("row_data_o"), hw.rows_per_word * hw.pn, 8), (-1, hw.pn))
            rows = c.get("row_o") + np.arange(c.get("row_count_o"))
            self.shadow[rows] = data[rows % hw.rows_per_word]
        if c.get("col_we_o"):
            self.shadow[:, c.get("col_o")] = unlanes(c.get("col_data_o"), hw.pk, 8)

    def int4(self) -> int:
        return random.getrandbits(1) if self.hw.int4 else 0

    def random_instruction(self) -> None:
        hw = self.hw
        kind = random.choice(["weights", "keys", "values"])
        if kind == "weights":
            k_tiles, n_tiles = random.choice([1, 1, 2, 3, 5]), random.choice([1, 2, 4])
            resident = hw.resident_words > 0 and random.getrandbits(1) > 0
            self.weights(k_tiles, n_tiles, 1 if resident else random.getrandbits(1), self.int4(), resident)
        elif kind == "keys":
            keys = random.choice([1, hw.pn - 1, hw.pn, hw.pn + 1, random.randint(1, 2 * hw.pn)])
            words = random.randint(1, 3)
            self.keys(
                keys, words * hw.slices - random.randrange(hw.slices), random.choice([words, words + 1])
            )
        else:
            keys = random.choice([1, hw.pk - 1, hw.pk, hw.pk + 1, random.randint(1, 5 * hw.pk)])
            words = random.randint(1, 3)
            self.values(keys, words, random.choice([words, words + 2]), random.getrandbits(1))


@cocotb.test()
async def mixed(dut: Any) -> None:
    """Weights, keys and values in random order, prompt and slow surroundings."""
    bench = Bench(dut)
    await bench.reset()
    for delays in (
        Delays(1.0, 1.0, 1.0, 0, 0, 0),
        Delays(1.0, 1.0, 0.0, 0, 0, 0),
        Delays(1.0, 0.3, 0.2, 5, 3, 30),
        Delays(0.5, 1.0, 0.5, 0, 10, 12),
        Delays(0.3, 0.7, 0.3, 30, 1, 2),
        Delays(0.1, 1.0, 0.5, 0, 0, 0),
    ):
        for _ in range(12):
            bench.random_instruction()
        await bench.run(delays)
        bench.readable.clear()
        bench.resident.clear()
    assert bench.tiles_seen > 100


def whole(hw: HwConfig, rows: int) -> int:
    """Cycles from a swap until a tile is in the shadow, `rows` rows a cycle that may not meet the swap."""
    guard = max(0, hw.mac_stage(CASCADE - 1) - (hw.pk - hw.pk // CASCADE) // rows)
    return 2 + guard + hw.pk // rows


def early(hw: HwConfig, rows: int) -> int:
    """Until it may be taken, if it is sure to arrive: its last row is there when the swap is."""
    reached = SWAP_AFTER - 1 + hw.mac_stage((hw.pk - rows) // (hw.pk // CASCADE))  # behind the take
    words = max(1, hw.pk // rows - reached)
    first = whole(hw, rows) - hw.pk // rows
    # The swap comes at least SWAP_AFTER cycles behind the take, the next swap is counted from there.
    return max(first + words, first + hw.pk // rows + 1 - (1 + SWAP_AFTER))


@cocotb.test()
async def back_to_back(dut: Any) -> None:
    """From a swap to the next tile: guard, one row pair or key per cycle, way to the array.

    A weight tile that is sure to arrive may be taken from its second word on.
    """
    bench = Bench(dut)
    hw = bench.hw
    await bench.reset()
    for load, plenty, cycles in (
        (lambda: bench.weights(6, 1, 0), 0.0, whole(hw, 2)),
        (lambda: bench.weights(6, 1, 0), 1.0, early(hw, 2)),
        *(
            [
                (lambda: bench.weights(6, 1, 0, int4=1), 0.0, whole(hw, 4)),
                (lambda: bench.weights(6, 1, 0, int4=1), 1.0, early(hw, 4)),
            ]
            if hw.int4
            else []
        ),
        (lambda: bench.values(6 * hw.pk, 1, 1, 0), 0.0, whole(hw, 2) - hw.pk // 2 + hw.pk + 3),
        (
            lambda: bench.keys(hw.pn, 6, -(-6 // hw.slices)),
            0.0,
            2 + hw.mac_stage(CASCADE - 1) + 1 + hw.pn + 3,
        ),
    ):
        load()
        bench.busy, bench.last_swap = [], None
        await bench.run(Delays(1.0, 1.0, plenty, 0, 0, 0))
        assert set(bench.busy[:4]) == {cycles}, f"{bench.busy} cycles from swap to tile, expected {cycles}"
