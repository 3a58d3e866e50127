# SPDX-License-Identifier: Apache-2.0
"""Random programs for the core, and what each one writes according to the instruction set interpreter.

Programs keep the rules the compiler keeps (sync and wait_stream where an instruction reads what an earlier
one writes) and no others, so GEMMs follow each other as closely as the hardware lets them.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from peritus.arch.config import HwConfig
from peritus.arch.isa import (
    Dest,
    FetchEntry,
    Function,
    Instruction,
    Opcode,
    Scale2,
    StatSource,
    StreamSource,
)
from peritus.arch.params import pack_params
from peritus.arch.tiles import pack_rows
from peritus.runtime.iss import WriteRecord
from peritus.runtime.iss.gemm import run_gemm
from peritus.runtime.iss.memories import Bytes, State, WeightStream
from peritus.runtime.iss.units import layernorm, res_init
from tests.common.bad_counts import SMALLEST
from tests.rtl.benches.pipeline import Ints

ACCUMULATIONS = 14  # of 16 bits each, on a 16-bit value, fit the 20 bits of the residual memory


@dataclass
class Segment:
    """One segment of the weight stream, padding included; `idle`: its expert is, so the core must drop it."""

    data: Bytes
    stripes: int
    idle: bool


@dataclass
class Program:
    """Instructions, the segments they take in order, and the writes they make in order."""

    instructions: list[Instruction] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    records: list[WriteRecord] = field(default_factory=list)


class Builder:
    """Adds instructions one by one; memories keep their contents from program to program, as in hardware.

    The first `source_words` of the activation memory are written by the bench (LOAD_IMAGE) only.
    """

    def __init__(self, hw: HwConfig, rng: np.random.Generator, source_words: int) -> None:
        self.hw, self.rng, self.source_words = hw, rng, source_words
        self.state = State(hw)
        self.program = Program()
        self._accumulated = 0

    # --- one instruction ---

    def add(self, instruction: Instruction, segment: Bytes | None = None, skipped: bool = False) -> None:
        """Append and execute. segment: of the weight stream, not yet padded. skipped: predicated off."""
        hw, program = self.hw, self.program
        if skipped:
            program.instructions.append(instruction)
            return
        stripes = 0 if segment is None else -(-len(segment) // hw.stripe_bytes)
        if instruction.opcode is Opcode.GEMM:
            instruction = replace(instruction, imm=stripes)
        stream = WeightStream(np.zeros(0, np.uint8), [], hw)
        if segment is not None:
            data = self.rng.integers(0, 256, stripes * hw.stripe_bytes).astype(np.uint8)
            data[: len(segment)] = segment
            stream = WeightStream(data, [FetchEntry(0, stripes, expert_valid=instruction.expert_valid)], hw)
        index = len(program.instructions)
        match instruction.opcode:
            case Opcode.GEMM:
                record = run_gemm(instruction, index, self.state, stream, hw)
            case Opcode.RES_INIT:
                record = res_init(instruction, index, self.state, stream, hw)
            case Opcode.LAYERNORM:
                record = layernorm(instruction, index, self.state, stream, hw)
            case _:
                record = None
        stream.finish()
        program.instructions.append(instruction)
        if segment is not None:
            idle = instruction.opcode is Opcode.GEMM and record is None
            program.segments.append(Segment(data, stripes, idle))
        if record is not None:
            program.records.append(record)

    def finish(self) -> Program:
        """END; the program, and a fresh one begins."""
        self.add(Instruction(Opcode.END))
        done, self.program = self.program, Program()
        return done

    # --- operands ---

    def param_block(
        self, exact: bool, k: int, bits: int, bias: Ints | None = None, scale2: Scale2 = Scale2.NONE
    ) -> Bytes:
        """Parameters of one output word: sums as they are if exact, else results of about `bits` bits.

        bias: in place of a random one.
        """
        rng, pn = self.rng, self.hw.pn
        if exact:
            found, m1, s1 = rng.integers(-2000, 2000, pn), np.full(pn, 1 << 15), np.full(pn, 15)
        else:
            spread = int(np.log2(64 * 64 * np.sqrt(k))) + 15 - bits
            found = rng.integers(-(1 << 16), 1 << 16, pn)
            m1 = np.where(rng.random(pn) < 0.1, 0, rng.integers(1 << 15, 1 << 16, pn))
            s1 = np.clip(rng.integers(spread - 2, spread + 5, pn), 1, 47)
        m2, s2 = rng.integers(1 << 15, 1 << 16, pn), rng.integers(13, 19, pn)
        lanes = {"bias": found if bias is None else bias, "mult1": m1, "shift1": s1, "shift2": s2}
        if scale2 is Scale2.CHANNEL:
            lanes["mult2"] = m2
        return pack_params(lanes, np.arange(pn), 1, pn).reshape(-1)

    def weights(self, k_tiles: int, n_tiles: int, exact: bool, int4: int = 0) -> Ints:
        """[k_tiles * pk, n_tiles * pn]: small if exact, else any or extreme."""
        shape = (k_tiles * self.hw.pk, n_tiles * self.hw.pn)
        if exact:
            return self.rng.integers(-7, 8, shape)
        if int4:
            return self.rng.integers(-8, 8, shape)
        if self.rng.random() < 0.2:
            return self.rng.choice([-127, 127], shape)
        return self.rng.integers(-127, 128, shape)

    def segment(self, weights: Ints | None, blocks: list[Bytes], int4: int = 0) -> Bytes:
        """Tiles and parameter blocks (one per output word, or none) in consumption order."""
        pk, pn, parts = self.hw.pk, self.hw.pn, []
        if weights is None:
            return np.concatenate(blocks)
        rows, columns = weights.shape
        for nb in range(columns // pn):
            words = pack_rows(weights[:, nb * pn : (nb + 1) * pn].astype(np.int8), int4)
            parts += [words[: rows - pk].reshape(-1), *blocks[nb : nb + 1], words[rows - pk :].reshape(-1)]
        return np.concatenate(parts)

    # --- building blocks of programs ---

    def load_image(self) -> None:
        """The bench writes random activations when it sees this instruction."""
        words = self.rng.integers(-128, 128, (self.source_words, self.hw.pn))
        words[::5] = self.rng.choice([-128, 127], words[::5].shape)
        self.state.act.write(np.arange(self.source_words), words)
        self.add(SMALLEST[Opcode.LOAD_IMAGE])

    def init_residual(self, words: int = 0) -> None:
        """Fill residual words (default: all) from the weight stream."""
        words = words or self.hw.residual_words
        stride = int(self.rng.choice([n for n in (1, 2, 4, 8) if words % n == 0]))
        tokens = words // stride
        table = self.rng.integers(-(1 << 15), 1 << 15, words * self.hw.pn).astype("<i2").view(np.uint8)
        instruction = Instruction(Opcode.RES_INIT, tokens=tokens, n_tiles=stride, dst_stride=stride)
        self.add(instruction, table)
        self._accumulated = 0

    def normalize(self, tokens: int, words: int) -> None:
        """LayerNorm of residual rows, without padding channels, into the upper activation memory."""
        rng, pn = self.rng, self.hw.pn
        blocks = []
        for _ in range(words):
            beta, gamma = rng.integers(-(1 << 16), 1 << 16, pn), rng.integers(-(1 << 14), 1 << 14, pn)
            lanes = {"bias": beta, "mult1": gamma.astype(np.int16).view(np.uint16)}
            lanes["shift1"] = rng.integers(14, 20, pn)
            blocks.append(pack_params(lanes, np.arange(pn), 1, pn).reshape(-1))
        instruction = Instruction(
            Opcode.LAYERNORM,
            tokens=tokens,
            n_tiles=words,
            width=words * pn,
            imm=int(rng.integers(1, 1 << 20)),
            src_base=int(rng.integers(0, 8)),
            src_stride=words,
            dst_base=self.source_words,
            dst_stride=words,
        )
        self.add(instruction, np.concatenate(blocks))

    def shape(self) -> tuple[int, int, int]:
        """Rows, k_tiles, n_tiles: short passes and single tiles as often as long ones."""
        rows = int(self.rng.choice([1, 2, 3, 15, 16, 17, 40, int(self.rng.integers(1, 65))]))
        k_tiles, n_tiles = (int(self.rng.choice([1, 1, 2, 3, 5])) for _ in range(2))
        return min(rows, self.hw.acc_depth), k_tiles, min(n_tiles, 3)

    def gemm(self, dst: Dest, shape: tuple[int, int, int] | None = None, **fields: Any) -> None:
        """A GEMM with weights, from the bench's activations to `dst`; `fields` override."""
        rng, hw = self.rng, self.hw
        rows, k_tiles, n_tiles = shape or self.shape()
        to_residual = dst in (Dest.RES_ADD, Dest.RES_ACC, Dest.RES_SET)
        if dst is Dest.RES_ACC:
            dst = dst if self._accumulated < ACCUMULATIONS else Dest.RES_SET
            self._accumulated += 1
        # Residual words belong to (row, nb), so that two updates of one are at least a pass apart.
        stride = 3 if to_residual else int(rng.integers(n_tiles, n_tiles + 3))
        to_act = dst in (Dest.ACT, Dest.HIDDEN)
        memory = hw.act_words if to_act else hw.kv_words if dst is Dest.KV else hw.residual_words
        lowest = self.source_words if to_act else 0
        span = (rows - 1) * stride + n_tiles
        base = 0 if to_residual else int(rng.integers(lowest, memory - span + 1))
        slices = self.source_words * hw.slices
        src_stride = int(rng.integers(0, min(12, (slices - k_tiles) // rows) + 1))
        exact = bool(to_residual and rng.random() < 0.6)
        params = int(exact or rng.random() < 0.8)
        fn = Function.NONE if exact else Function(int(rng.integers(0, len(Function))))
        scale2 = Scale2.CHANNEL if params and not exact and rng.random() < 0.5 else Scale2.NONE
        instruction = Instruction(
            Opcode.GEMM,
            tokens=rows,
            k_tiles=k_tiles,
            n_tiles=n_tiles,
            src_base=int(rng.integers(0, slices - k_tiles - (rows - 1) * src_stride + 1)),
            src_stride=src_stride,
            params=params,
            imm_mult=int(rng.integers(1 << 15, 1 << 16)),
            imm_shift=int(rng.integers(18, 26)),
            fn=fn,
            scale2=scale2,
            dst=dst,
            dst_base=base,
            dst_stride=stride,
            int4=int(hw.int4 and rng.random() < 0.3),
        )
        instruction = replace(instruction, **fields)
        int4 = instruction.int4
        bits = 16 if to_residual or dst is Dest.ROUTER else 8
        blocks = [
            self.param_block(exact, k_tiles * hw.pk, bits, scale2=instruction.scale2)
            for _ in range(n_tiles * instruction.params)
        ]
        self.add(instruction, self.segment(self.weights(k_tiles, n_tiles, exact, int4), blocks, int4))

    def chain(self) -> None:
        """Two GEMMs, the second reading every word that the first writes."""
        rows, k_tiles, words = self.shape()
        self.gemm(Dest.ACT, (rows, k_tiles, words), dst_base=self.source_words, dst_stride=words)
        self.gemm(
            Dest.RES_SET,
            (rows, words * self.hw.slices, 2),
            src_base=self.source_words * self.hw.slices,
            src_stride=words * self.hw.slices,
            wait_stream=1,
        )

    def attention(self, heads: int, head_words: int, queries: int, keys: int) -> None:
        """Keys and values of all heads from random weights, then `heads_of` them."""
        hw, stride = self.hw, heads * head_words
        assert 2 * keys * stride <= hw.kv_words, f"{keys} keys"
        for start in range(0, keys, hw.acc_depth):
            rows = min(hw.acc_depth, keys - start)
            for base in (0, keys * stride):
                for first in range(0, stride, 3):
                    shape = (rows, 2, min(3, stride - first))
                    dst = base + start * stride + first
                    self.gemm(Dest.KV, shape, dst_base=dst, dst_stride=stride, params=1)
        self.heads_of(heads, head_words, queries, keys)

    def heads_of(self, heads: int, head_words: int, queries: int, keys: int) -> None:
        """Scores and their product with the values, head by head, of keys and values that are in place.

        Heads alternate between the halves of the score memory. Queries are the bench's activations.
        """
        hw, rng = self.hw, self.rng
        key_words, stride = -(-keys // hw.pn), heads * head_words
        assert 2 * queries * key_words <= hw.score_words or heads == 1, f"{queries} queries, {keys} keys"
        for head in range(heads):
            scores = head % 2 * queries * key_words
            width = head_words * hw.slices
            self.add(
                Instruction(
                    Opcode.GEMM,
                    sync=int(head == 0),  # keys and values are in place
                    tokens=queries,
                    k_tiles=width,
                    n_tiles=key_words,
                    src_base=head * width,
                    src_stride=stride * hw.slices,
                    stat_src=StatSource.KEYS,
                    stat_base=head * head_words,
                    stat_stride=stride,
                    keys=keys,
                    imm_mult=int(rng.integers(1 << 15, 1 << 16)),
                    imm_shift=int(rng.integers(17, 24)),
                    dst=Dest.SCORES,
                    dst_base=scores,
                    dst_stride=key_words,
                )
            )
            params = int(rng.integers(0, 2))
            blocks = [self.param_block(False, keys, 16) for _ in range(head_words)]
            self.add(
                Instruction(
                    Opcode.GEMM,
                    wait_stream=1,  # scores
                    tokens=queries,
                    k_tiles=-(-keys // hw.pk),
                    n_tiles=head_words,
                    stream_src=StreamSource.SCORES,
                    stat_src=StatSource.VALUES,
                    src_base=scores * hw.slices,
                    src_stride=key_words * hw.slices,
                    stat_base=keys * stride + head * head_words,
                    stat_stride=stride,
                    keys=keys,
                    params=params,
                    imm_mult=1 << 15,
                    imm_shift=int(rng.integers(13, 17)),
                    scale2=Scale2.RECIP,
                    shift2=int(rng.integers(0, 4)),
                    dst=Dest.ACT,
                    dst_base=self.source_words + head * head_words,
                    dst_stride=stride,
                ),
                self.segment(None, blocks) if params else None,
            )

    def experts(self, tokens: int, top_k: int, favourites: int) -> None:
        """A gate, then every expert: gathered rows up, an activation, down, weighted and accumulated.

        favourites: experts that the gate's bias prefers; top_k or fewer leave the others idle.
        """
        hw, rng = self.hw, self.rng
        bias = np.full(hw.pn, -(1 << 13), np.int64)
        bias[rng.permutation(hw.max_experts)[:favourites]] = 1 << 13
        block = self.param_block(True, hw.pk, 16, bias)
        slices = int(rng.integers(1, 4))
        source = {"src_base": int(rng.integers(0, 8)), "src_stride": slices}
        self.add(
            Instruction(
                Opcode.GEMM,
                tokens=tokens,
                k_tiles=1,
                n_tiles=1,
                **source,
                params=1,
                dst=Dest.ROUTER,
                width=hw.max_experts,
                top_k=top_k,
            ),
            self.segment(self.weights(1, 1, True), [block]),
        )
        hidden = 2
        for expert in range(hw.max_experts):
            common = {"expert_valid": 1, "expert": expert, "params": 1}
            self.gemm(
                Dest.ACT,
                (tokens, slices, hidden),
                **common,
                **source,
                stream_src=StreamSource.ACT_GATHER,
                fn=Function(int(rng.integers(1, len(Function)))),
                scale2=Scale2.CHANNEL,
                dst_base=self.source_words,
                dst_stride=hidden,
            )
            self.gemm(
                Dest.RES_ACC,
                (tokens, hidden * hw.slices, 2),
                **common,
                src_base=self.source_words * hw.slices,
                src_stride=hidden * hw.slices,
                wait_stream=1,
                fn=Function.NONE,
                scale2=Scale2.SCORE,
                shift2=15,
                scatter=1,
            )
