# SPDX-License-Identifier: Apache-2.0
"""Waiting flags against their definition: every pair of a write and a later read, on random steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from peritus.arch.config import MIN_PASS, RESULT_LATENCY, UPDATE_LATENCY, HwConfig, load_config
from peritus.arch.isa import Dest, Instruction, Opcode, StreamSource
from peritus.compiler.hazards import Flags, hazard_flags
from peritus.compiler.step import Buffer, Memory, Region, Step

# Passes as long as this, alone or two of them, take a read from just too early to just late enough.
AROUND = (RESULT_LATENCY // 2 - 1, RESULT_LATENCY - 2, RESULT_LATENCY - 1)


@dataclass(frozen=True)
class Access:
    """Words of `rows` rows, from `first` on a row per cycle. shuffled: in the order of a queue."""

    region: Region
    rows: int
    first: int
    shuffled: bool = False

    @property
    def words(self) -> set[int]:
        region = self.region
        starts = (region.offset + row * region.stride for row in range(self.rows))
        return {start + word for start in starts for word in range(region.width)}

    def meets(self, other: Access) -> bool:
        if self.region.buffer is not other.region.buffer:
            return False
        return self.region.stride != other.region.stride or bool(self.words & other.words)


def is_gemm(step: Step) -> bool:
    return step.instruction.opcode is Opcode.GEMM


def pass_length(step: Step) -> int:
    i = step.instruction
    return max(1 if i.expert_valid else i.tokens, MIN_PASS)


def passes(step: Step) -> int:
    return step.instruction.k_tiles * step.instruction.n_tiles if is_gemm(step) else 0


def writes(step: Step, start: int) -> Iterator[Access]:
    """Every output word is computed in the last of its k_tiles passes."""
    i = step.instruction
    for nb in range(i.n_tiles if step.destination else 0):
        assert step.destination
        first = start + ((nb + 1) * i.k_tiles - 1) * pass_length(step)
        yield Access(step.destination.columns(nb, 1), i.tokens, first, bool(i.scatter))


def reads(step: Step, start: int, hw: HwConfig) -> Iterator[Access]:
    """Every pass over an output word streams all k_tiles slices again; the first time is the earliest."""
    i = step.instruction
    assert step.source
    for kb in range(i.k_tiles):
        scores = i.stream_src is StreamSource.SCORES
        region = step.source if scores else step.source.columns((step.source_slice + kb) // hw.slices, 1)
        gathered = i.stream_src is StreamSource.ACT_GATHER
        yield Access(region, i.tokens, start + kb * pass_length(step), gathered)


def flags_of_job(steps: Sequence[Step], hw: HwConfig) -> list[Flags]:
    starts = [0]
    for step in steps:
        starts.append(starts[-1] + passes(step) * pass_length(step))
    settled = 0  # results of the steps before this one have arrived
    gate = False
    flags = []
    for index, step in enumerate(steps):
        i = step.instruction
        if not is_gemm(step):
            settled, gate = index + 1, False
            flags.append(Flags())
            continue
        if i.expert_valid and gate:
            settled, gate = index, False
        earlier = [
            (write, write.first + pass_length(steps[j]) - 1)
            for j in range(settled, index)
            for write in writes(steps[j], starts[j])
        ]
        before = [pass_length(s) for s in steps[:index] if is_gemm(s)]
        loads = starts[index] - before[-1] if before else 0  # the loader is one pass ahead
        sync = step.keys is not None and any(
            loads - last < RESULT_LATENCY and Access(step.keys, i.keys, loads).meets(write)
            for write, last in earlier
        )
        wait = any(
            read.first - (write.first if row_by_row(read, write) else last) < RESULT_LATENCY
            and read.meets(write)
            for read in reads(step, starts[index], hw)
            for write, last in earlier
        )
        wait = wait or any(
            update.first - last < UPDATE_LATENCY and update.meets(write)
            for update in (writes(step, starts[index]) if i.dst in (Dest.RES_ADD, Dest.RES_ACC) else ())
            for write, last in earlier
        )
        sync = sync or (gate and i.dst is Dest.ROUTER)  # the router has one gate at a time
        if sync or wait:
            settled = index
        flags.append(Flags(sync, wait and not sync))
        gate = gate or i.dst is Dest.ROUTER
    return flags


def row_by_row(read: Access, write: Access) -> bool:
    """Both go through the same rows in the same order."""
    a, b = read.region, write.region
    same = a.stride == b.stride and a.offset // a.stride == b.offset // b.stride
    return same and not read.shuffled and not write.shuffled


def definition(steps: Sequence[Step], hw: HwConfig) -> list[Flags]:
    flags = [Flags()] * len(steps)
    for task in range(16):
        job = [
            index
            for index, step in enumerate(steps)
            if step.instruction.task_mask & (1 << task) and not step.instruction.features_only
        ]
        for index, found in zip(job, flags_of_job([steps[i] for i in job], hw), strict=True):
            was = flags[index]
            flags[index] = Flags(was.sync or found.sync, was.wait_stream or found.wait_stream)
    return flags


def random_steps(rng: np.random.Generator, count: int) -> list[Step]:
    buffers = {memory: [Buffer(f"{memory} {i}", memory, 2048) for i in range(2)] for memory in Memory}

    def pick(*values: int) -> int:
        return int(rng.choice(values))

    def region(memory: Memory) -> Region:
        stride = pick(8, 8, 8, 8, 4)
        row, column = pick(0, 0, 0, 1, 20), pick(0, 0, 1, 3)
        return Region(
            buffers[memory][pick(0, 0, 0, 1)], row * stride + column, stride, pick(1, stride - column)
        )

    def step(index: int) -> Step:
        mask = pick(0xFFFF, 0xFFFF, 1, 2, 6)
        if rng.random() < 0.03:
            norm = Instruction(
                Opcode.LAYERNORM, tokens=9, n_tiles=2, features_only=pick(0, 1), task_mask=mask
            )
            return Step(f"{index}", norm, source=region(Memory.RESIDUAL), destination=region(Memory.ACT))
        dst = Dest(pick(*Dest, Dest.KV, Dest.ACT))
        memory = {
            Dest.ACT: Memory.ACT,
            Dest.HIDDEN: Memory.ACT,
            Dest.KV: Memory.KV,
            Dest.SCORES: Memory.SCORE,
        }
        target = None if dst is Dest.ROUTER else region(memory.get(dst, Memory.RESIDUAL))
        stream = StreamSource(pick(*StreamSource))
        gemm = Instruction(
            Opcode.GEMM,
            tokens=pick(1, 9, *AROUND),
            k_tiles=pick(1, 1, 1, 2, 5),
            n_tiles=pick(1, 2, 4),
            stream_src=stream,
            dst=dst,
            keys=9,
            expert_valid=pick(0, 0, 0, 1),
            scatter=pick(0, 0, 1),
            task_mask=mask,
        )
        source = region(Memory.SCORE if stream is StreamSource.SCORES else Memory.ACT)
        keys = region(Memory.KV) if rng.random() < 0.7 else None
        return Step(f"{index}", gemm, source=source, keys=keys, destination=target)

    return [step(index) for index in range(count)]


@pytest.mark.parametrize("name", ["nano", "zcu104"])
def test_flags_are_the_definition(name: str) -> None:
    hw = load_config(name)
    seen: Counter[Flags] = Counter()
    for seed in range(50):
        steps = random_steps(np.random.default_rng(seed), 40)
        found = hazard_flags(steps, hw)
        assert found == definition(steps, hw), seed
        seen.update(found)
    assert min(seen[Flags()], seen[Flags(sync=True)], seen[Flags(wait_stream=True)]) > 60, seen
