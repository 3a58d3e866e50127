# SPDX-License-Identifier: Apache-2.0
"""What each instruction of a frame cost and could have cost at least, from program and timeline alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from peritus.arch.isa import Dest, Instruction, Opcode, runs
from peritus.bundle import Bundle
from peritus.bundle.disassemble import uses_weight_stream
from peritus.runtime.timeline import Cause, Row, Timeline


@dataclass(frozen=True)
class Step:
    """One instruction of a frame. Cycles [start, end).

    macs: multiply-accumulates of the array, padding to whole tiles included. bytes: of external memory that
    it needs: weights (of an expert without tokens none), image, results.
    """

    index: int
    instruction: Instruction
    label: str
    start: int
    end: int
    causes: Counter[Cause]
    macs: int
    bytes: int

    @property
    def cycles(self) -> int:
        """That belong to it; others may lie between its start and its end."""
        return self.causes.total()

    @property
    def layer(self) -> str:
        """The part of the network that it belongs to, as blocks.0.attn."""
        return ".".join(self.label.partition(" ")[0].split(".")[:3])


@dataclass(frozen=True)
class Layer:
    """Steps of one part of the network, or of all of it; cycles, macs and bytes add up to the frame's.

    start, end: of its first step, of its last one; others may lie between. memory: cycles that the memory
    needs for its bytes, which it may have read ahead.
    """

    name: str
    start: int
    end: int
    causes: Counter[Cause]
    macs: int
    bytes: int
    memory: float
    steps: int

    @property
    def cycles(self) -> int:
        """That belong to it."""
        return self.causes.total()

    @property
    def busy(self) -> float:
        """Share of the cycles in which the array took a token."""
        return self.causes[Cause.ARRAY] / self.cycles if self.cycles else 0.0

    @property
    def ideal(self) -> float:
        """Cycles that the array needs for its tokens or the memory for its bytes, whichever needs more."""
        return max(self.causes[Cause.ARRAY], self.memory)

    @property
    def waits(self) -> list[tuple[Cause, int]]:
        """Its causes besides the array, the largest first."""
        return [(cause, n) for cause, n in self.causes.most_common() if n and cause is not Cause.ARRAY]


def steps(bundle: Bundle, timeline: Timeline, task: int, *, features: bool, cold: bool) -> list[Step]:
    """The instructions of a frame in program order, those that did not run with the cycles it took to pass
    them over."""
    rows = {row.instruction: row for row in timeline.rows()}
    entries = iter([entry for entry in bundle.fetches if runs(entry, task, cold=cold)])
    found = []
    for index, instruction in enumerate(bundle.instructions):
        executed = runs(instruction, task, cold=cold) and (features or not instruction.features_only)
        row = rows.get(index)
        macs = moved = 0
        if executed:
            array = row.causes[Cause.ARRAY] if row else 0
            macs = array * bundle.hw.macs_per_cycle
            moved = _data_bytes(bundle, instruction)
            entry = next(entries, None) if uses_weight_stream(instruction) else None
            if entry is not None and (array or instruction.opcode is not Opcode.GEMM):
                moved += entry.stripes * bundle.hw.stripe_bytes
        if row is not None:
            label = bundle.labels[index]
            found.append(Step(index, instruction, label, row.start, row.end, row.causes, macs, moved))
    return found


def _data_bytes(bundle: Bundle, instruction: Instruction) -> int:
    """Of the image, or of a result."""
    if instruction.opcode not in (Opcode.LOAD_IMAGE, Opcode.STORE):
        return 0
    beats = instruction.keys * instruction.k_tiles * instruction.tokens * instruction.n_tiles
    return beats * bundle.hw.axi_data_bytes


def layers(bundle: Bundle, frame: Sequence[Step], bytes_per_cycle: float) -> list[Layer]:
    """Part by part, in the order of the program; the parts add up to the frame."""
    groups: dict[str, list[Step]] = {}
    for step in frame:
        groups.setdefault(step.layer, []).append(step)
    return [_sum(bundle, name, group, bytes_per_cycle) for name, group in groups.items()]


def total(bundle: Bundle, frame: Sequence[Step], bytes_per_cycle: float) -> Layer:
    """The frame."""
    return _sum(bundle, "frame", frame, bytes_per_cycle)


def _sum(bundle: Bundle, name: str, group: Sequence[Step], bytes_per_cycle: float) -> Layer:
    causes: Counter[Cause] = Counter()
    for step in group:
        causes += step.causes
    macs, moved = sum(step.macs for step in group), sum(step.bytes for step in group)
    start, end = min(step.start for step in group), max(step.end for step in group)
    return Layer(name, start, end, causes, macs, moved, moved / bytes_per_cycle, len(group))


def routing_in(bundle: Bundle, timeline: Timeline, task: int) -> tuple[tuple[int, ...], ...]:
    """Tokens of each expert, a row for each gate: a pass takes a cycle for each token of its expert. Of gates
    whose tokens experts take together the last one has them all."""
    rows: dict[int, Row] = {row.instruction: row for row in timeline.rows()}
    found: list[list[int]] = []
    for index, instruction in enumerate(bundle.instructions):
        if instruction.opcode is not Opcode.GEMM or not instruction.task_mask >> task & 1:
            continue
        if instruction.dst is Dest.ROUTER:
            found.append([0] * instruction.width)
        elif instruction.expert_valid and found and index in rows:
            cycles = rows[index].causes[Cause.ARRAY]
            if instruction.expert < len(found[-1]):
                found[-1][instruction.expert] = cycles // (instruction.k_tiles * instruction.n_tiles)
    return tuple(map(tuple, found))


def fills_queues(gates: Sequence[Instruction]) -> list[bool]:
    """Of the gates of a job: do experts take its tokens? Else the next one adds its own to the queues, as in
    the job of all tasks, and nothing but the sum can be seen of them."""
    return [not after.dst_base for after in gates[1:]] + [True] * bool(gates)


def tokens_of_experts(
    bundle: Bundle, task: int, routing: Sequence[tuple[int, ...]]
) -> list[tuple[str, tuple[int, ...]]]:
    """By layer and task; those of several tasks that experts take together are one row."""
    indices = [
        index
        for index, i in enumerate(bundle.instructions)
        if i.opcode is Opcode.GEMM and i.dst is Dest.ROUTER and i.task_mask >> task & 1
    ]
    filled = fills_queues([bundle.instructions[index] for index in indices])
    found, tasks = [], []
    for index, full, row in zip(indices, filled, routing, strict=True):
        node, _, name = bundle.labels[index].partition(" gate ")
        tasks.append(name)
        if full:
            found.append((f"{node.removesuffix('.router')}, {' + '.join(tasks)}", row))
            tasks = []
    return found
