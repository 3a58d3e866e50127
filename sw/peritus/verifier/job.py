# SPDX-License-Identifier: Apache-2.0
"""One job of a task, with features: what each instruction reads and writes, and when.

Without features a job only waits less, at the stores of the features: so these are not counted as waiting.
Time is that of compiler/hazards.py: the array takes a row a cycle at the earliest, and a pass lasts MIN_PASS
cycles at least, so that the distance of two rows in this count is the least that they ever have. An expert
may be idle, and then takes no time: its passes count for what it writes and reads itself, for nobody else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from peritus.arch.chase import unread_rows
from peritus.arch.config import MIN_PASS, RESULT_LATENCY, UPDATE_LATENCY
from peritus.arch.isa import Dest, Instruction
from peritus.arch.memories import Memory
from peritus.bundle import ALIGNMENT, Bundle
from peritus.reference.arithmetic import I64
from peritus.verifier.contents import FIRST_OWNER, Contents, Residual
from peritus.verifier.errors import need
from peritus.verifier.forms import Form
from peritus.verifier.segments import Lanes, SegmentWalk, Used, check_scores

_UNITS = (Form.END, Form.LOAD_IMAGE, Form.RES_INIT, Form.LAYERNORM, Form.STORE, Form.KEEP, Form.COPY)
_ROUTED = (Form.EXPERT_HIDDEN, Form.EXPERT_OUTPUT)


@dataclass(frozen=True)
class _Gate:
    """The gate whose queues there are, with those behind which it has put its own.

    number: of the gates of the job that emptied the queues, from 1.
    """

    number: int
    tokens: int
    experts: int
    top_k: int


def _grid(base: int, rows: int, stride: int, width: int) -> I64:
    """Addresses [rows, width]: base + row stride + column."""
    found: I64 = base + np.arange(rows)[:, None] * stride + np.arange(width)
    return found


class Job:
    """Walks one job; `step` raises ProgramRefused."""

    def __init__(self, bundle: Bundle, task: int, segments: SegmentWalk) -> None:
        self._bundle, self._hw, self._segments = bundle, bundle.hw, segments
        hw = bundle.hw
        self._act, self._kv = Contents(Memory.ACT, hw), Contents(Memory.KV, hw)
        self._score, self._residual = Contents(Memory.SCORE, hw), Residual(hw)
        name = bundle.job_name(task)
        beat = hw.axi_data_bytes
        # A job of all tasks has no features: they are one task's tokens.
        features = bundle.features.output_bytes if task < len(bundle.tasks) else 0
        output = np.ones(bundle.job_bytes(task) // beat, np.bool_)
        for part in bundle.job_maps(task).values():
            output[part.start // beat : part.stop // beat] = False
        self._buffers = {
            0: (f"the output of task {name!r}", output),
            1: ("the features", np.zeros(features // beat, np.bool_)),
        }
        self._now = self._last_pass = 0  # earliest starts of the next pass and of the one before
        self._expert: int | None = None  # whose passes these are
        self._before = 0, 0  # _now and _last_pass when they began
        self._expert_writes: list[tuple[Contents, I64]] = []
        self._gate: _Gate | None = None
        self._gate_pending = False
        self._form: Form | None = None  # of the instruction before
        self._scores: Instruction | None = None  # the last that wrote scores
        # The LAYERNORM before, if it lets others begin before its end.
        self._chased: Instruction | None = None

    def step(self, i: Instruction, form: Form, where: str) -> None:
        """The next instruction of the job."""
        expert = i.expert if form in _ROUTED else None
        if expert != self._expert:
            self._change_expert(expert)
        before, self._form = self._form, form
        if form is Form.GATE and i.dst_base:
            message = f"{where}: its tokens come behind a gate's, which must be the instruction before"
            need(before is Form.GATE, "gate", message)
        if self._chased is not None:
            self._chase(i, form, where)
        if form in _UNITS:
            if not i.features_only:
                self._settle()
            self._unit(i, form, where)
            return
        if i.sync or (form in _ROUTED and self._gate_pending):
            self._settle()
        rows = self._rows(i, form, where)
        if form is Form.SCORES:
            used = Used(np.zeros(i.k_tiles * self._hw.pk, np.bool_), np.zeros(0, np.bool_))
        else:
            used = self._segments.take(i, form, where)
        if form in _ROUTED and self._gate is not None:
            seen, number = self._segments.gates, self._gate.number
            message = f"{where}: fetch entries have begun {seen} gates, its queue is of gate {number}"
            need(seen == number, "gate", message)
        length = max(i.tokens if form not in _ROUTED else 1, MIN_PASS)  # an idle expert does not run at all
        if form in (Form.SCORES, Form.VALUES):
            self._stationary(i, form, where)
        if i.wait_stream:
            self._settle()
        source = self._source(i, form, rows, length, used.silent, where)
        self._destination(i, form, rows, length, source, used.mute, where)
        following = self._now + i.n_tiles * i.k_tiles * length
        self._now, self._last_pass = following, following - length

    # --- instructions other than GEMM ---

    def _unit(self, i: Instruction, form: Form, where: str) -> None:
        match form:
            case Form.LOAD_IMAGE:
                self._load_image(i, where)
            case Form.RES_INIT:
                used = self._segments.take(i, form, where)
                target = self._written(self._residual, i, i.tokens, i.n_tiles, where)
                self._residual.fill(target)
                self._residual.saturated(target)
                self._residual.loud[target] = ~used.mute
            case Form.COPY:
                source = self._words(self._residual, i, i.tokens, i.n_tiles, where)
                self._present(self._residual, source, where)
                target = self._written(self._residual, i, i.tokens, i.n_tiles, where)
                message = f"{where}: writes words of the residual memory that it reads itself"
                need(not np.isin(target, source).any(), "overlap", message)
                self._residual.copied(target, source)
            case Form.KEEP:
                self._segments.take(i, form, where)
                message = f"{where}: its words must lie one after the other from 0 on"
                need(i.dst_base == 0 and i.dst_stride == i.n_tiles, "resident", message)
                have, reached = self._hw.resident_words, i.tokens * i.n_tiles
                message = f"{where}: reaches word {reached - 1}, the resident memory has {have}"
                need(reached <= have, "address", message)
            case Form.LAYERNORM:
                self._segments.take(i, form, where)
                source = self._words(self._residual, i, i.tokens, i.n_tiles, where)
                self._present(self._residual, source, where)
                padding = self._residual.loud[source[:, -1], i.width - (i.n_tiles - 1) * self._hw.pn :]
                message = f"{where}: lanes from its width {i.width} on may be other than 0 in what it reads"
                need(not padding.any(), "padding", message)
                self._act.fill(self._written(self._act, i, i.tokens, i.n_tiles, where))
                self._chased = i if i.keys else None
            case Form.STORE:
                self._store(i, where)
            case _:
                self._segments.finish(where)
                for name, written in self._buffers.values():
                    if not written.all():
                        first = int(written.argmin()) * self._hw.axi_data_bytes
                        need(False, "output", f"{where}: byte {first} of {name} is never written")

    def _chase(self, i: Instruction, form: Form, where: str) -> None:
        """Behind a LAYERNORM that has not ended: what waits for it, or a GEMM that cannot overtake it."""
        norm, self._chased = self._chased, None
        assert norm is not None
        if form in _UNITS or i.sync or (form in _ROUTED and self._gate_pending):
            return
        slices = self._hw.slices
        first, rest = divmod(i.src_base - norm.dst_base * slices, max(1, norm.dst_stride * slices))
        alike = form not in (*_ROUTED, Form.VALUES) and rest == 0 and i.src_stride == norm.dst_stride * slices
        most = unread_rows(self._hw, norm, i, first) if alike and first >= 0 else 0
        message = f"{where}: begins when LAYERNORM has {norm.keys} unread rows, at most {most} may be"
        need(norm.keys <= most, "hazard", message)

    def _load_image(self, i: Instruction, where: str) -> None:
        hw, frame = self._hw, self._bundle.frame
        beats, width = i.keys * i.k_tiles * i.tokens * i.n_tiles, hw.axi_data_bytes
        need(
            beats * width <= frame.bytes,
            "address",
            f"{where}: reads {beats * width} image bytes, the image has {frame.bytes}",
        )
        row_words = -(-i.k_tiles * i.n_tiles * width // hw.pn)
        self._written(self._act, i, i.keys * i.tokens, row_words, where)  # its range
        py, ky, px, beat = np.indices((i.keys, i.k_tiles, i.tokens, i.n_tiles)).reshape(4, -1)
        first = (i.dst_base + (py * i.tokens + px) * i.dst_stride) * hw.pn + (ky * i.n_tiles + beat) * width
        lanes = (first[:, None] + np.arange(width)).reshape(-1)
        # What lies between the rows of patches in memory is no pixel.
        pixel = np.arange(len(lanes)) % frame.pitch < frame.patch * frame.channels
        self._act.fill_lanes(lanes[pixel])

    def _store(self, i: Instruction, where: str) -> None:
        hw = self._hw
        name, written = self._buffers[i.features_only]
        beats, width = i.keys * i.k_tiles * i.tokens * i.n_tiles, hw.axi_data_bytes
        first, end = i.imm // width, i.imm // width + beats
        need(i.imm % ALIGNMENT == 0, "address", f"{where}: imm is {i.imm}, must be a multiple of {ALIGNMENT}")
        message = f"{where}: writes up to byte {end * width} of {name}, which has {len(written) * width}"
        need(end <= len(written), "address", message)
        written[first:end] = True
        words = -(-i.k_tiles * i.n_tiles * width // (2 * hw.pn))
        source = self._words(self._residual, i, i.keys * i.tokens, words, where)
        self._present(self._residual, source, where)

    # --- GEMM ---

    def _rows(self, i: Instruction, form: Form, where: str) -> int:
        """Rows of a pass, at most."""
        if form is Form.GATE:
            need(
                not self._gate_pending,
                "gate",
                f"{where}: comes while the gate before it may still be at work: one must wait (sync) between",
            )
            return i.tokens
        if form not in _ROUTED:
            return i.tokens
        gate = self._gate
        if gate is None:
            need(False, "gate", f"{where}: no gate has filled the experts' queues")
            return 0
        message = f"{where}: expert is {i.expert}, the gate has {gate.experts}"
        need(i.expert < gate.experts, "gate", message)
        return gate.tokens

    def _source(self, i: Instruction, form: Form, rows: int, length: int, silent: Lanes, where: str) -> I64:
        """Check what is streamed; the words [rows, k_tiles] of slices."""
        hw = self._hw
        memory = self._score if form is Form.VALUES else self._act
        last = i.src_base + (rows - 1) * i.src_stride + i.k_tiles - 1
        memory.inside("its source", last // hw.slices, where)
        slices = _grid(i.src_base, rows, i.src_stride, i.k_tiles)
        words = slices // hw.slices
        if form is Form.VALUES:
            self._pair(i, where)
            words = np.broadcast_to(words.min(axis=1, keepdims=True), words.shape)
            width = -(-i.keys // hw.pn)
            issued = memory.latest(words[:, :1] + np.arange(width)).max(axis=1, keepdims=True)
        else:
            self._present(memory, words, where, self._owner(i) if form is Form.EXPERT_OUTPUT else -1)
            lanes = memory.unknown_lanes(words, slices % hw.slices * hw.pk, hw.pk).reshape(-1)
            heard = np.flatnonzero(lanes & ~silent)
            if len(heard):
                need(False, "undefined", f"{where}: weights read input lane {heard[0]}, which holds anything")
            issued = memory.latest(words)
        row = 0 if form is Form.EXPERT_HIDDEN else np.arange(rows)[:, None]
        read = self._now + np.arange(i.k_tiles) * length + row
        self._soon_enough(read - issued, RESULT_LATENCY, f"{where}: its source", "wait_stream")
        return words

    def _destination(
        self, i: Instruction, form: Form, rows: int, length: int, source: I64, mute: Lanes, where: str
    ) -> None:
        """Check and note what is written."""
        if form is Form.GATE:
            self._gate, self._gate_pending = self._gate_of(i, where), True
            return
        memory = {
            Dest.ACT: self._act,
            Dest.HIDDEN: self._act,
            Dest.KV: self._kv,
            Dest.SCORES: self._score,
        }.get(i.dst, self._residual)
        target = self._written(memory, i, rows, i.n_tiles, where)
        if memory is self._act and form is not Form.VALUES:
            need(
                not np.isin(target, source).any(),
                "overlap",
                f"{where}: writes words of the activation memory that it reads itself",
            )
        passes = self._now + (np.arange(1, i.n_tiles + 1) * i.k_tiles - 1) * length
        issued = passes + (length - 1 if form is Form.EXPERT_OUTPUT else np.arange(rows)[:, None])
        if i.dst in (Dest.RES_ADD, Dest.RES_ACC):
            self._present(self._residual, target, where)
            first = passes + (0 if form is Form.EXPERT_OUTPUT else np.arange(rows)[:, None])
            self._soon_enough(
                first - memory.latest(target), UPDATE_LATENCY, f"{where}: what it adds to", "wait_stream"
            )
        memory.issue(target, issued)
        if form in _ROUTED:
            self._expert_writes.append((memory, target))
        if form is Form.EXPERT_HIDDEN:
            memory.own(target, self._owner(i))
        else:
            memory.fill(target)
        if memory is self._residual:
            self._residual.loud[target] = ~mute | (self._residual.loud[target] & (i.dst is not Dest.RES_SET))
        if i.dst is Dest.RES_ACC:
            gate = self._gate
            assert gate is not None
            self._residual.accumulate(target, gate.number, i.expert, gate.top_k, where)
        elif memory is self._residual:
            self._residual.saturated(target)
        if form is Form.SCORES:
            self._scores = i

    def _gate_of(self, i: Instruction, where: str) -> _Gate:
        """The queues once a gate has filled them, or put its tokens behind those that are there."""
        gate = self._gate
        if i.dst_base == 0:
            return _Gate(gate.number + 1 if gate else 1, i.tokens, i.width, i.top_k)
        found = (gate.tokens, gate.experts, gate.top_k) if gate else None
        wanted = i.dst_base, i.width, i.top_k
        message = (
            f"{where}: its tokens come behind (tokens, experts, top_k) {wanted}, the queues hold {found}"
        )
        need(found == wanted, "gate", message)
        assert gate is not None
        return replace(gate, tokens=gate.tokens + i.tokens)

    def _stationary(self, i: Instruction, form: Form, where: str) -> None:
        """Check keys or values: the loader may read them while the pass before is at work."""
        hw = self._hw
        if form is Form.SCORES:
            check_scores(i, hw, where)
        width = -(-i.k_tiles // hw.slices) if form is Form.SCORES else i.n_tiles
        last = i.stat_base + (i.keys - 1) * i.stat_stride + width - 1
        self._kv.inside("its keys or values", last, where)
        words = _grid(i.stat_base, i.keys, i.stat_stride, width)
        self._present(self._kv, words, where)
        distance = self._last_pass - self._kv.latest(words)
        self._soon_enough(distance, RESULT_LATENCY, f"{where}: a key or value", "sync")

    def _pair(self, i: Instruction, where: str) -> None:
        """Probabilities are of the scores written last: row maxima are kept of no others."""
        scores, slices = self._scores, self._hw.slices
        need(scores is not None, "scores", f"{where}: nothing has written scores")
        assert scores is not None
        for what, found, wanted in (
            ("src_base", i.src_base, scores.dst_base * slices),
            ("src_stride", i.src_stride, scores.dst_stride * slices),
            ("keys", i.keys, scores.keys),
        ):
            message = f"{where}: {what} is {found}, must be {wanted} for the scores written last"
            need(found == wanted, "scores", message)
        need(
            i.tokens <= scores.tokens,
            "scores",
            f"{where}: tokens is {i.tokens}, scores were written of {scores.tokens}",
        )

    # --- memories and time ---

    def _owner(self, i: Instruction) -> int:
        """The expert whose queue it is, and of which gate."""
        assert self._gate is not None
        return FIRST_OWNER + self._gate.number * self._hw.max_experts + i.expert

    def _words(self, memory: Contents, i: Instruction, rows: int, width: int, where: str) -> I64:
        """Words [rows, width] that an instruction other than GEMM reads."""
        memory.inside("its source", i.src_base + (rows - 1) * i.src_stride + width - 1, where)
        return _grid(i.src_base, rows, i.src_stride, width)

    def _written(self, memory: Contents, i: Instruction, rows: int, width: int, where: str) -> I64:
        """Words [rows, width] that an instruction writes, all of them different."""
        memory.inside("its destination", i.dst_base + (rows - 1) * i.dst_stride + width - 1, where)
        message = f"{where}: dst_stride is {i.dst_stride}, its rows have {width} words"
        need(rows == 1 or i.dst_stride >= width, "overlap", message)
        return _grid(i.dst_base, rows, i.dst_stride, width)

    def _present(self, memory: Contents, words: I64, where: str, owner: int = -1) -> None:
        missing = memory.missing(words, owner)
        message = f"{where}: reads word {missing} of the {memory.name}, which the job has not written"
        need(missing is None, "undefined", message)

    def _soon_enough(self, distance: I64, latency: int, what: str, flag: str) -> None:
        least = int(distance.min())
        message = f"{what} may come {least} cycles after it is computed, {latency} are needed: set {flag}"
        need(least >= latency, "hazard", message)

    def _change_expert(self, expert: int | None) -> None:
        """Leave one expert's passes for another's, or for everybody's."""
        if self._expert is not None:
            taken = self._now - self._before[0]
            for memory, target in self._expert_writes:
                memory.issue(target, memory.latest(target) - taken)
            self._now, self._last_pass = self._before
        self._expert, self._before, self._expert_writes = expert, (self._now, self._last_pass), []

    def _settle(self) -> None:
        for memory in (self._act, self._kv, self._score, self._residual):
            memory.settle()
        self._expert_writes = []
        self._gate_pending = False
