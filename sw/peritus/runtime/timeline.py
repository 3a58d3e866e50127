# SPDX-License-Identifier: Apache-2.0
"""Where the cycles of a frame went: every one belongs to one instruction and to one cause.

The array takes tokens in program order, so at any time it is at, or waits for, one instruction. The monitor
of the RTL (sim/peritus_cycle_monitor.sv) and the cycle model (peritus.cycles) return the same record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from typing import NamedTuple


class Cause(Enum):
    """What the array did or waited for; names as in sim/peritus_cycle_monitor.sv."""

    ARRAY = "array busy"
    MINIMUM_PASS = "shortest pass"
    LOADER = "tile loads"
    PARAMETERS = "parameters load"
    KEYS_VALUES = "keys, values load"
    WEIGHTS = "weights not there"
    DRAIN = "earlier results"
    ROUTER = "router"
    SEQUENCER = "sequencer"
    IDLE_EXPERT = "idle expert dropped"
    IMAGE = "image"
    POSITIONS = "positions"
    LAYERNORM = "LayerNorm"
    RESULT = "result"
    RESIDENT = "resident weights"
    COPY = "copy for each task"

    __hash__ = object.__hash__  # there is one of each; Enum's is slow, and a frame counts 60,000 spans


class Span(NamedTuple):
    """Cycles [start, end) of a frame: the instruction by index, and the cause."""

    instruction: int
    cause: Cause
    start: int
    end: int


@dataclass(frozen=True)
class Row:
    """One instruction: cycles [start, end), and how many of them by cause; they add up."""

    instruction: int
    start: int
    end: int
    causes: Counter[Cause]


@dataclass(frozen=True)
class Timeline:
    """One frame: spans without gap or overlap, from cycle 0, the first after the job was accepted.

    In columns, a value for each span: a frame has tens of thousands. instructions: by index. whys: the
    causes. ends: first cycle behind it, where the next one begins; they ascend.
    """

    instructions: tuple[int, ...]
    whys: tuple[Cause, ...]
    ends: tuple[int, ...]

    @classmethod
    def of(cls, spans: Sequence[Span]) -> Timeline:
        """Of spans in order, the first of which begins in cycle 0."""
        return cls(
            tuple(span.instruction for span in spans),
            tuple(span.cause for span in spans),
            tuple(span.end for span in spans),
        )

    @property
    def cycles(self) -> int:
        """Of the frame, as Perf.cycles."""
        return self.ends[-1]

    def __len__(self) -> int:
        """Spans."""
        return len(self.ends)

    def spans(self) -> Iterator[Span]:
        """In order."""
        return map(Span, self.instructions, self.whys, chain((0,), self.ends), self.ends)

    def causes(self) -> Counter[Cause]:
        """Cycles by cause; they add up to the frame."""
        total: Counter[Cause] = Counter()
        for row in self.rows():
            total += row.causes
        return total

    def rows(self) -> list[Row]:
        """The instructions in the order of the frame."""
        causes: dict[int, Counter[Cause]] = {}
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        start = 0
        for instruction, cause, end in zip(self.instructions, self.whys, self.ends, strict=True):
            if instruction not in first:
                first[instruction], causes[instruction] = start, Counter()
            causes[instruction][cause] += end - start
            last[instruction] = start = end
        return [Row(number, first[number], last[number], found) for number, found in causes.items()]
