# SPDX-License-Identifier: Apache-2.0
"""Where the cycles of a frame went: every one belongs to one instruction and to one cause.

The array takes tokens in program order, so at any time it is at, or waits for, one instruction. The monitor
of the RTL (sim/peritus_cycle_monitor.sv) and the cycle model (peritus.cycles) return the same record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
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
    """One frame: spans without gap or overlap, from cycle 0, the first after the job was accepted."""

    spans: tuple[Span, ...]

    @property
    def cycles(self) -> int:
        """Of the frame, as Perf.cycles."""
        return self.spans[-1].end

    def causes(self) -> Counter[Cause]:
        """Cycles by cause; they add up to the frame."""
        return _sum(self.spans)

    def rows(self) -> list[Row]:
        """The instructions in the order of the frame."""
        groups: dict[int, list[Span]] = {}
        for span in self.spans:
            groups.setdefault(span.instruction, []).append(span)
        return [
            Row(instruction, spans[0].start, spans[-1].end, _sum(spans))
            for instruction, spans in groups.items()
        ]


def _sum(spans: Iterable[Span]) -> Counter[Cause]:
    total: Counter[Cause] = Counter()
    for span in spans:
        total[span.cause] += span.end - span.start
    return total
