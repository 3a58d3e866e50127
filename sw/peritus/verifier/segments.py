# SPDX-License-Identifier: Apache-2.0
"""The weight stream of a job: which segment each instruction consumes, and what is in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from peritus.arch.config import ACC_BITS, HwConfig
from peritus.arch.isa import FetchEntry, Instruction, Scale2, StatSource, runs
from peritus.arch.params import Params, block_words
from peritus.arch.tiles import unpack_rows
from peritus.bundle import Bundle
from peritus.reference.arithmetic import I64
from peritus.reference.linear import ACTIVATION_PEAK
from peritus.reference.requantize import MAX_SHIFT, MIN_SHIFT
from peritus.reference.softmax import PROBABILITY_PEAK
from peritus.verifier.errors import need
from peritus.verifier.forms import Form

ACC_LIMIT = 1 << (ACC_BITS - 1)
Lanes = NDArray[np.bool_]
STATIONARY_PEAK = 127  # of weights, keys and values: two of them share a multiplier


@dataclass(frozen=True, eq=False)
class Used:
    """What a segment means for its instruction.

    silent: bool [k_tiles * pk], input lanes that no weight reads; empty where weights are not in it.
    mute: bool [..., n_tiles, pn], output lanes that are 0 whatever is read; RES_INIT: [tokens, n_tiles, pn].
    """

    silent: Lanes
    mute: Lanes


NOTHING = Used(np.zeros(0, np.bool_), np.zeros(0, np.bool_))


class Segments:
    """Segments of a bundle, each looked into once."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle, self._hw = bundle, bundle.hw
        self._known: dict[tuple[object, ...], Used] = {}
        self._kept: NDArray[np.uint8] = np.zeros(0, np.uint8)  # the resident memory, as far as it is filled

    def of(self, task: int, *, cold: bool) -> SegmentWalk:
        """Those of a job, in order."""
        return SegmentWalk(self, [f for f in self._bundle.fetches if runs(f, task, cold=cold)])

    def resident(self, i: Instruction, form: Form, where: str) -> Used:
        """Check what is kept on chip against the instruction that reads it."""
        word = self._hw.weight_word_bytes
        start, size = i.stat_base * word, segment_bytes(i, form, self._hw)
        end, have = -(-(start + size) // word), len(self._kept) // word
        need(end <= have, "resident", f"{where}: reads {end} resident words, the program keeps {have}")
        key = ("resident", i.stat_base, form, i.k_tiles, i.n_tiles, i.scale2, i.width, i.int4)
        if key not in self._known:
            self._known[key] = _contents(self._kept[start : start + size], i, form, self._hw, where)
        return self._known[key]

    def use(self, entry: FetchEntry, i: Instruction, form: Form, where: str) -> Used:
        """Check a segment against the instruction that consumes it."""
        hw, size = self._hw, segment_bytes(i, form, self._hw)
        length, start = entry.stripes * hw.stripe_bytes, entry.offset * hw.stripe_bytes
        need(
            size <= length < size + hw.stripe_bytes,
            "segment",
            f"{where}: its segment has {length} bytes, it consumes {size}",
        )
        end, have = start + length, len(self._bundle.weights)
        need(end <= have, "segment", f"{where}: its segment ends at byte {end} of {have} weight bytes")
        need(
            entry.cold_only == i.cold_only,
            "segment",
            f"{where}: its fetch entry is for other jobs than it is",
        )
        routed = "expert_valid" in form.value
        need(
            (entry.expert_valid, entry.expert) == ((1, i.expert) if routed else (0, 0)),
            "segment",
            f"{where}: its fetch entry is of expert {entry.expert} (valid {entry.expert_valid}), the "
            f"instruction of expert {i.expert} (valid {i.expert_valid})",
        )
        if "params" in form.value:
            message = f"{where}: imm says {i.imm} stripes, its segment has {entry.stripes}"
            need(i.imm == entry.stripes, "segment", message)
        key = (entry.offset, form, i.k_tiles, i.n_tiles, i.scale2, i.width, i.keys, i.int4)
        if form is Form.KEEP:
            self._kept = self._bundle.weights[start : start + size]
        elif key not in self._known:
            raw = self._bundle.weights[start : start + size]
            self._known[key] = _contents(raw, i, form, hw, where)
        return self._known.get(key, NOTHING)


class SegmentWalk:
    """The segments of one job, consumed one after the other."""

    def __init__(self, segments: Segments, entries: list[FetchEntry]) -> None:
        self._segments, self._entries, self._next = segments, entries, 0
        self.gates = 0  # that the prefetcher has counted

    def take(self, i: Instruction, form: Form, where: str) -> Used:
        """The next segment, or what is kept on chip, for this instruction."""
        if i.stat_src is StatSource.RESIDENT:
            return self._segments.resident(i, form, where)
        need(self._next < len(self._entries), "segment", f"{where}: the weight stream has no segment left")
        self._next += 1
        entry = self._entries[self._next - 1]
        message = f"{where}: its fetch entry is the first of a gate, it is no expert's"
        need(not entry.first_of_gate or bool(entry.expert_valid), "gate", message)
        self.gates += entry.first_of_gate
        return self._segments.use(entry, i, form, where)

    def finish(self, where: str) -> None:
        """Nothing may be left."""
        left = len(self._entries) - self._next
        need(left == 0, "segment", f"{where}: {left} segments of the weight stream are left over")


def segment_bytes(i: Instruction, form: Form, hw: HwConfig) -> int:
    """Bytes that an instruction consumes, without padding."""
    word = hw.weight_word_bytes
    params = block_words(i.scale2) * word  # of LAYERNORM, too, which has none
    match form:
        case Form.RES_INIT | Form.KEEP:
            return i.tokens * i.n_tiles * word
        case Form.LAYERNORM | Form.VALUES:
            return i.n_tiles * params
        case _:
            return i.n_tiles * (i.k_tiles * hw.tile_bytes(i.int4) + params)


def _contents(raw: NDArray[np.uint8], i: Instruction, form: Form, hw: HwConfig, where: str) -> Used:
    """Sums that fit the accumulator on every input, shifts that every device has."""
    none = np.zeros(0, np.bool_)
    if form is Form.RES_INIT:
        return Used(none, raw.view("<i2").reshape(i.tokens, i.n_tiles, hw.pn) == 0)
    if form is Form.LAYERNORM:
        norm = Params(raw, hw.pn)
        _shifts(norm["shift1"], "shift", where)
        mute = (norm.gamma == 0) & (norm["bias"] == 0)
        message = f"{where}: gamma and beta must be 0 in lanes from its width {i.width} on"
        need(bool(mute[i.width :].all()), "padding", message)
        return Used(none, mute.reshape(i.n_tiles, hw.pn))
    blocks = raw.reshape(i.n_tiles, -1)
    before = 0 if form is Form.VALUES else (i.k_tiles - 1) * hw.tile_bytes(i.int4)
    words = block_words(i.scale2)
    after = before + words * hw.weight_word_bytes
    params = Params(blocks[:, before:after], hw.pn, words)
    _shifts(params["shift1"], "shift of stage 1", where)
    if i.scale2 is Scale2.CHANNEL:
        _shifts(params["shift2"], "shift of stage 2", where)
    mute = (params["mult1"] == 0).reshape(i.n_tiles, hw.pn)
    if form is Form.VALUES:
        _sums(np.full(1, i.keys * STATIONARY_PEAK), PROBABILITY_PEAK, params["bias"], where)
        return Used(none, mute)
    weights = unpack_rows(np.concatenate([blocks[:, :before], blocks[:, after:]], axis=1), hw.pn, i.int4)
    lowest = int(weights.min())
    need(lowest >= -STATIONARY_PEAK, "weight", f"{where}: a weight is {lowest}, must be -{STATIONARY_PEAK}..")
    magnitude = np.abs(weights)  # int8: 127 at most
    _sums(magnitude.sum(axis=1, dtype=np.int64).reshape(-1), ACTIVATION_PEAK, params["bias"], where)
    return Used(~magnitude.any(axis=(0, 2)), mute)


def check_scores(i: Instruction, hw: HwConfig, where: str) -> None:
    """The sums of Q K^T, which has no segment."""
    _sums(np.full(1, i.k_tiles * hw.pk * STATIONARY_PEAK), ACTIVATION_PEAK, np.zeros(1, np.int64), where)


def _sums(magnitude: I64, peak: int, bias: I64, where: str) -> None:
    reached = int((magnitude * peak + np.abs(bias)).max())
    message = f"{where}: a sum may reach {reached}, the accumulator holds {ACC_LIMIT - 1}"
    need(reached < ACC_LIMIT, "accumulator", message)


def _shifts(values: I64, what: str, where: str) -> None:
    wrong = values[(values < MIN_SHIFT) | (values > MAX_SHIFT)]
    if len(wrong):
        need(False, "shift", f"{where}: {what} is {wrong[0]}, must be {MIN_SHIFT}..{MAX_SHIFT}")
