# SPDX-License-Identifier: Apache-2.0
"""Which instructions must wait for earlier results, and which may start while those are still being computed.

The array takes rows in program order, at the earliest one per cycle, and a pass lasts at least MIN_PASS
cycles. So the distance in passes between the row that computes a word and the row that reads it bounds the
time between them from below, whatever stalls. Where that bound reaches the latency of the pipeline, nothing
needs to wait.

    sync         the tile loader would read keys or values that may not be written yet
    wait_stream  the streamer, or the read-modify-write of the residual, would be too early

Two more facts, from the RTL: instructions other than GEMM wait for everything, and so does the first GEMM on
an expert's queue after a gate. Words are read in program order before later results overwrite them, so only
read-after-write matters.

Nothing is read before the latest pass started. So of earlier writes only those less than LATENCY older than
that can matter: a few passes, however long the program is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from peritus.arch.chase import unread_rows
from peritus.arch.config import MIN_PASS, RESULT_LATENCY, UPDATE_LATENCY, HwConfig
from peritus.arch.isa import EXEC_FIELDS, Dest, Instruction, Opcode, StreamSource
from peritus.compiler.step import Region, Step

TASKS = next(field.bits for field in EXEC_FIELDS if field.name == "task_mask")
LATENCY = max(RESULT_LATENCY, UPDATE_LATENCY)


@dataclass(frozen=True)
class Flags:
    """Waiting bits of one instruction. unread: rows of a LAYERNORM when what follows may begin."""

    sync: bool = False
    wait_stream: bool = False
    unread: int = 0


@dataclass(frozen=True)
class _Write:
    """Words that a GEMM writes in one pass over its rows.

    first, last: when the pass's first and last row are issued, at the earliest. A queue longer than assumed
    delays all that follows by as much.
    """

    region: Region
    rows: int
    scattered: bool
    first: int
    last: int


def hazard_flags(steps: Sequence[Step], hw: HwConfig) -> list[Flags]:
    """Flags of every step: the union over the jobs of all tasks, without features (which only wait more)."""
    flags = [Flags()] * len(steps)
    jobs = {_executed(steps, task) for task in range(TASKS)}
    for job in jobs:
        for index, need in zip(job, _job([steps[i] for i in job], hw), strict=True):
            known = flags[index]
            flags[index] = Flags(known.sync or need.sync, known.wait_stream or need.wait_stream)
    followers: dict[int, set[int]] = {}
    for index, following in (pair for job in jobs for pair in pairwise(job)):
        followers.setdefault(index, set()).add(following)
    for index, step in enumerate(steps):
        if step.instruction.opcode is Opcode.LAYERNORM and index in followers:
            unread = min(_unread(step, steps[following], hw) for following in followers[index])
            flags[index] = Flags(unread=unread if unread < step.instruction.tokens else 0)
    return flags


def _unread(norm: Step, follower: Step, hw: HwConfig) -> int:
    """Rows of a LAYERNORM that may be unread when the next step of a job begins (peritus.arch.chase)."""
    if follower.instruction.opcode is not Opcode.GEMM:
        return norm.instruction.tokens  # it waits for the end by itself
    source, target = follower.source, norm.destination
    assert source is not None and target is not None
    same = source.buffer is target.buffer and source.stride == target.stride and not follower.source_slice
    first, rest = divmod(source.offset - target.offset, target.stride)
    if not same or rest or first < 0 or follower.instruction.expert_valid:
        return 0
    return unread_rows(hw, norm.instruction, follower.instruction, first)


def _executed(steps: Sequence[Step], task: int) -> tuple[int, ...]:
    """The steps of a job; tasks that the model does not have all execute the same ones."""
    return tuple(
        index
        for index, step in enumerate(steps)
        if step.instruction.task_mask >> task & 1 and not step.instruction.features_only
    )


def _job(steps: Sequence[Step], hw: HwConfig) -> Iterator[Flags]:
    """Flags that one job needs, step by step."""
    time = 0  # earliest start of the next pass
    last_pass = 0  # earliest start of the pass before it
    writes: list[_Write] = []  # in order of time
    gate_pending = False
    for step in steps:
        instruction = step.instruction
        if instruction.opcode is not Opcode.GEMM:
            writes, gate_pending = [], False
            yield Flags()
            continue
        if instruction.expert_valid and gate_pending:
            writes, gate_pending = [], False
        # One gate at a time is at the router, and another one's tokens come behind its.
        following_gate = gate_pending and instruction.dst is Dest.ROUTER
        rows = 1 if instruction.expert_valid else instruction.tokens  # an idle expert does not run at all
        length = max(rows, MIN_PASS)
        flags = Flags()
        if following_gate or (
            step.keys
            and any(
                last_pass - w.last < RESULT_LATENCY and _overlap(step.keys, instruction.keys, w)
                for w in writes
            )
        ):
            flags = Flags(sync=True)
        elif _reads_too_early(step, time, length, writes, hw) or _updates_too_early(
            step, time, length, writes
        ):
            flags = Flags(wait_stream=True)
        yield flags
        if flags.sync or flags.wait_stream:
            writes = []
        following = time + instruction.n_tiles * instruction.k_tiles * length
        last_pass = following - length
        old = last_pass - LATENCY
        writes = [w for w in writes if w.last > old] + list(_writes(step, time, length, old))
        time = following
        gate_pending = gate_pending or instruction.dst is Dest.ROUTER


def _writes(step: Step, time: int, length: int, old: int) -> Iterator[_Write]:
    """What a step that starts at `time` writes later than `old`, in passes of `length`."""
    instruction, destination = step.instruction, step.destination
    if destination is None:
        return
    for nb, first in _output_passes(instruction, time, length):
        if (last := first + length - 1) > old:
            region = destination.columns(nb, 1)
            yield _Write(region, instruction.tokens, bool(instruction.scatter), first, last)


def _output_passes(instruction: Instruction, time: int, length: int) -> Iterator[tuple[int, int]]:
    """(output word, start of the pass that completes it) of a GEMM that starts at `time`."""
    for nb in range(instruction.n_tiles):
        yield nb, time + ((nb + 1) * instruction.k_tiles - 1) * length


def _reads_too_early(step: Step, time: int, length: int, writes: Sequence[_Write], hw: HwConfig) -> bool:
    """Does a streamed slice come sooner than RESULT_LATENCY after its word was computed?"""
    instruction, source = step.instruction, step.source
    assert source is not None
    gathered = instruction.stream_src is StreamSource.ACT_GATHER
    # Probabilities need the row's maximum over all score words from the first slice on.
    all_words = instruction.stream_src is StreamSource.SCORES
    for kb in range(instruction.k_tiles):
        start = time + kb * length
        if not writes or start - writes[-1].last >= RESULT_LATENCY:
            return False
        column = source if all_words else source.columns((step.source_slice + kb) // hw.slices, 1)
        for write in writes:
            by_row = not gathered and not write.scattered and _same_rows(column, write.region)
            written = write.first if by_row else write.last
            if start - written < RESULT_LATENCY and _overlap(column, instruction.tokens, write):
                return True
    return False


def _updates_too_early(step: Step, time: int, length: int, writes: Sequence[_Write]) -> bool:
    """Does a residual word come back sooner than UPDATE_LATENCY after it was computed?"""
    instruction, destination = step.instruction, step.destination
    if instruction.dst not in (Dest.RES_ADD, Dest.RES_ACC):
        return False
    assert destination is not None
    for nb, start in _output_passes(instruction, time, length):
        if not writes or start - writes[-1].last >= UPDATE_LATENCY:
            return False
        column = destination.columns(nb, 1)
        if any(start - w.last < UPDATE_LATENCY and _overlap(column, instruction.tokens, w) for w in writes):
            return True
    return False


def _row(region: Region) -> int:
    return region.offset // region.stride


def _same_rows(region: Region, other: Region) -> bool:
    """Is row t of one region in row t of the other?"""
    return region.stride == other.stride and _row(region) == _row(other)


def _overlap(region: Region, rows: int, write: _Write) -> bool:
    """Could `rows` rows of `region` contain a written word?"""
    other = write.region
    if region.buffer is not other.buffer or region.stride != other.stride:
        return region.buffer is other.buffer
    first, second = region.offset % region.stride, other.offset % other.stride
    if first + region.width <= second or second + other.width <= first:
        return False
    return _row(region) < _row(other) + write.rows and _row(other) < _row(region) + rows
