# SPDX-License-Identifier: Apache-2.0
"""Places buffers in the on-chip memories: buffers that are never alive together in a job may share words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from peritus.arch.config import HwConfig
from peritus.arch.memories import ADDRESSED, Memory
from peritus.compiler.errors import CapacityError
from peritus.compiler.step import Buffer, Step


@dataclass(frozen=True)
class MemoryPlan:
    """base: first word of each buffer. used: words used of each memory."""

    base: dict[Buffer, int]
    used: dict[Memory, int]


def lifetimes(steps: Sequence[Step]) -> dict[Buffer, tuple[int, int]]:
    """First and last step that touches each buffer.

    Operands are read in program order before results of the same or a later step are written, so a buffer may
    be overwritten by the step after its last reader, but not by that reader.
    """
    spans: dict[Buffer, tuple[int, int]] = {}
    for index, step in enumerate(steps):
        for region in step.regions:
            first, _ = spans.get(region.buffer, (index, index))
            spans[region.buffer] = (first, index)
    return spans


def _jobs(steps: Sequence[Step]) -> dict[Buffer, int]:
    """Mask of the jobs that touch each buffer."""
    found: dict[Buffer, int] = {}
    for step in steps:
        for region in step.regions:
            found[region.buffer] = found.get(region.buffer, 0) | step.instruction.task_mask
    return found


def plan_memory(steps: Sequence[Step], hw: HwConfig) -> MemoryPlan:
    """Greedy placement, largest buffer first, each at the lowest address where it meets no living neighbour.

    Raises:
        CapacityError: a memory is too small; names the buffer, and the words needed with it.
    """
    spans, jobs = lifetimes(steps), _jobs(steps)
    base: dict[Buffer, int] = {}
    used = dict.fromkeys(ADDRESSED, 0)
    # Of a memory at a step: (first word, end, jobs) of each buffer.
    alive: defaultdict[tuple[Memory, int], list[tuple[int, int, int]]] = defaultdict(list)
    for buffer in sorted(spans, key=lambda b: (-b.words, spans[b])):
        first, last = spans[buffer]
        lifetime = [alive[buffer.memory, step] for step in range(first, last + 1)]
        neighbours = sorted({words for taken in lifetime for words in taken if words[2] & jobs[buffer]})
        address = 0
        for start, end, _ in neighbours:
            if address + buffer.words <= start:
                break
            address = max(address, end)
        base[buffer] = address
        for taken in lifetime:
            taken.append((address, address + buffer.words, jobs[buffer]))
        need, have = address + buffer.words, buffer.memory.words(hw)
        if need > have:
            field = buffer.memory.size
            raise CapacityError(hw.name, f"{field} with buffer {buffer.name!r}", need, have, "words", field)
        used[buffer.memory] = max(used[buffer.memory], need)
    return MemoryPlan(base, used)
