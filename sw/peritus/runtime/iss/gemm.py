# SPDX-License-Identifier: Apache-2.0
"""GEMM: the one instruction that multiplies. All passes at once, which changes no integer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from peritus import reference as ref
from peritus.arch.config import ACC_BITS, HwConfig
from peritus.arch.isa import Dest, Instruction, Scale2, StatSource, StreamSource
from peritus.arch.memories import Memory
from peritus.arch.params import Params, block_words
from peritus.arch.tiles import unpack_rows
from peritus.reference.arithmetic import I64, Ints
from peritus.reference.tables import EXP
from peritus.runtime.iss.memories import Bytes, ProgramError, State, WeightStream
from peritus.runtime.iss.trace import WriteRecord
from peritus.runtime.iss.units import check_resident


@dataclass(frozen=True)
class _Rows:
    """Rows of a pass. source, destination: row numbers [count]. scores: Q1.15 [count], of queued tokens."""

    source: I64
    destination: I64
    scores: I64

    @property
    def count(self) -> int:
        return len(self.source)


def run_gemm(
    instruction: Instruction, index: int, state: State, stream: WeightStream, hw: HwConfig
) -> WriteRecord | None:
    """Execute one GEMM; None if its expert is idle."""
    rows = _rows(instruction, state, hw)
    if rows.count == 0:
        stream.drop(instruction.imm)
        return None
    size = _segment_bytes(instruction, hw)
    if instruction.stat_src is StatSource.RESIDENT:
        first, words = instruction.stat_base, size // hw.weight_word_bytes
        check_resident(first + words - 1, hw)
        segment = state.resident[first : first + words].reshape(-1)
    else:
        segment = stream.take(size) if size else np.zeros(0, np.uint8)
    x, row_sums = _streamed(instruction, rows, state, hw)
    weights, params = _stationary(instruction, segment, state, hw)
    acc = ref.matmul(x, weights)
    z = _epilogue(instruction, acc, params, rows, row_sums)
    return _write(instruction, index, z, rows, state, hw)


def _rows(instruction: Instruction, state: State, hw: HwConfig) -> _Rows:
    order = np.arange(instruction.tokens, dtype=np.int64)
    gather = instruction.stream_src is StreamSource.ACT_GATHER
    if not (instruction.expert_valid or gather or instruction.scatter):
        rows = _Rows(order, order, np.zeros(len(order), np.int64))
    else:
        tokens, scores = state.routing.queue(instruction.expert)
        if not instruction.expert_valid:
            tokens, scores = tokens[: instruction.tokens], scores[: instruction.tokens]
        order = np.arange(len(tokens), dtype=np.int64)
        rows = _Rows(tokens if gather else order, tokens if instruction.scatter else order, scores)
    return rows


def _segment_bytes(instruction: Instruction, hw: HwConfig) -> int:
    weights = instruction.stat_src in (StatSource.WEIGHTS, StatSource.RESIDENT)
    tiles = instruction.n_tiles * instruction.k_tiles if weights else 0
    blocks = instruction.n_tiles * instruction.params
    params = blocks * block_words(instruction.scale2) * hw.weight_word_bytes
    return tiles * hw.tile_bytes(instruction.int4) + params


def _streamed(instruction: Instruction, rows: _Rows, state: State, hw: HwConfig) -> tuple[I64, I64]:
    """Operand vectors [count, k_tiles * pk] and the row sums of probabilities [count, 1]."""
    address = (
        instruction.src_base + rows.source[:, None] * instruction.src_stride + np.arange(instruction.k_tiles)
    )
    if instruction.stream_src is not StreamSource.SCORES:
        x = state.act.read_slices(address).reshape(rows.count, -1).astype(np.int64)
        return x, np.ones((rows.count, 1), np.int64)
    scores = state.score.read_slices(address).reshape(rows.count, -1).astype(np.int64)
    distance = state.row_maximum[: rows.count, None] - scores
    valid = np.arange(scores.shape[1]) < instruction.keys  # padding keys hold anything
    p = np.where(valid, np.take(EXP, distance.clip(0, 255)), 0)
    return p, p.sum(axis=1, keepdims=True)


def _stationary(
    instruction: Instruction, segment: Bytes, state: State, hw: HwConfig
) -> tuple[I64, Params | None]:
    """Stationary operand [k_tiles * pk, n_tiles * pn] and the parameter blocks."""
    nb, kb, pk, pn = instruction.n_tiles, instruction.k_tiles, hw.pk, hw.pn
    block = block_words(instruction.scale2)
    if instruction.stat_src in (StatSource.WEIGHTS, StatSource.RESIDENT):
        rows = segment.reshape(nb, -1)
        before = (kb - 1) * hw.tile_bytes(instruction.int4)  # the parameter block comes before the last tile
        after = before + instruction.params * block * hw.weight_word_bytes
        tiles = np.concatenate([rows[:, :before], rows[:, after:]], axis=1)
        weights = unpack_rows(tiles, pn, instruction.int4).transpose(1, 0, 2).reshape(kb * pk, nb * pn)
        params = Params(rows[:, before:after], pn, block) if instruction.params else None
        return weights.astype(np.int64), params
    params = Params(segment, pn, block) if instruction.params else None
    key = np.arange(instruction.keys)
    word = instruction.stat_base + key * instruction.stat_stride
    stationary = np.zeros((kb * pk, nb * pn), np.int64)
    if instruction.stat_src is StatSource.KEYS:
        slices = state.kv.read_slices(word[:, None] * hw.slices + np.arange(kb))
        stationary[:, key] = slices.reshape(len(key), -1).T
    else:
        stationary[key] = state.kv.read(word[:, None] + np.arange(nb)).reshape(len(key), -1)
    return stationary, params


def _epilogue(instruction: Instruction, acc: I64, params: Params | None, rows: _Rows, row_sums: I64) -> I64:
    """Both requantization stages and the function between them: [count, n_tiles * pn], not yet saturated."""
    biased = acc if params is None else acc + params["bias"]
    limit = 1 << (ACC_BITS - 1)
    if biased.max() >= limit or biased.min() < -limit:
        raise ProgramError(f"accumulator reaches {np.abs(biased).max()}, it has {ACC_BITS} bits")
    if params is None:
        y = ref.requantize(acc, 0, instruction.imm_mult, instruction.imm_shift)
    else:
        y = ref.requantize(acc, params["bias"], params["mult1"], params["shift1"])
    g = ref.ACTIVATIONS[instruction.fn.name.lower()](y)
    match instruction.scale2:
        case Scale2.CHANNEL:
            if params is None:
                raise ProgramError("stage 2 by channel needs parameters")
            return ref.rescale(g, params["mult2"], params["shift2"])
        case Scale2.SCORE:
            return ref.rescale(g, rows.scores[:, None], instruction.shift2)
        case Scale2.RECIP:
            r, shift = ref.reciprocal(row_sums)
            return ref.rescale(g, r, shift + instruction.shift2)
        case _:
            return g


def _write(
    instruction: Instruction, index: int, z: I64, rows: _Rows, state: State, hw: HwConfig
) -> WriteRecord:
    """Saturate and write, output word by output word, rows in order."""
    count, words = rows.count, instruction.n_tiles
    row, word = np.tile(np.arange(count), words), np.repeat(np.arange(words), count)
    address = instruction.dst_base + rows.destination[row] * instruction.dst_stride + word
    values = z.reshape(count, words, hw.pn).transpose(1, 0, 2).reshape(-1, hw.pn)
    half = ref.saturate(values, 16)
    lanes = np.full(len(address), hw.pn, dtype=np.int64)
    match instruction.dst:
        case Dest.ACT | Dest.HIDDEN:
            target = Memory.ACT
            data = ref.to_int8(values, ref.HIDDEN_ZERO_POINT if instruction.dst is Dest.HIDDEN else 0)
            state.act.write(address, data)
        case Dest.KV:
            target, data = Memory.KV, ref.stationary(ref.to_int8(values))
            state.kv.write(address, data)
        case Dest.SCORES:
            target, data = Memory.SCORE, half
            state.score.write(address, data)
            lanes = np.minimum(hw.pn, instruction.keys - word * hw.pn)
            valid = ref.saturate(z, 16)[:, : instruction.keys]
            state.row_maximum[:count] = valid.max(axis=1)
        case Dest.ROUTER:
            target, data = Memory.ROUTER, half
            address, lanes = instruction.dst_base + row, np.full(count, instruction.width, np.int64)
            routing = ref.route(half[:, : instruction.width], instruction.top_k)
            state.routing = _behind(state.routing, routing, instruction) if instruction.dst_base else routing
        case Dest.RES_SET | Dest.RES_ADD | Dest.RES_ACC:
            target = Memory.RESIDUAL
            data = _update(instruction.dst, state.residual.read(address), half)
            state.residual.write(address, data)
    return WriteRecord(
        index, target, address, data.astype(np.int32), np.zeros(len(address), np.int64), lanes, row, word
    )


def _behind(before: ref.Routing, routing: ref.Routing, gate: Instruction) -> ref.Routing:
    """The queues of the gate before with those of this one behind them."""
    if before.experts.shape != (gate.dst_base, gate.top_k):
        raise ProgramError(
            f"a gate from token {gate.dst_base} on, top {gate.top_k}, behind one of (tokens, top) "
            f"{before.experts.shape}"
        )
    return ref.Routing(
        np.concatenate([before.experts, routing.experts]), np.concatenate([before.scores, routing.scores])
    )


def _update(dst: Dest, old: Ints, z: I64) -> I64:
    if dst is Dest.RES_SET:
        return z
    return ref.residual_add(old, z) if dst is Dest.RES_ADD else ref.residual_accumulate(old, z)
