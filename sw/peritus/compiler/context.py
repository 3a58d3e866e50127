# SPDX-License-Identifier: Apache-2.0
"""What every lowering function works with: the hardware, where values live, and the steps so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from peritus.arch.config import HwConfig
from peritus.arch.isa import Instruction
from peritus.arch.memories import Memory
from peritus.compiler import segments
from peritus.compiler.errors import CapacityError
from peritus.compiler.layout import Layout
from peritus.compiler.segments import Bytes
from peritus.compiler.step import Region, Step
from peritus.ir.graph import Graph
from peritus.ir.ops import Affine, Requant

ALL_TASKS = 0xFFFF


@dataclass(frozen=True)
class Place:
    """Where a value lies: its rows, and the lanes of its channels within a row."""

    region: Region
    layout: Layout

    @classmethod
    def new(cls, name: str, memory: Memory, rows: int, layout: Layout) -> Place:
        """A buffer of its own."""
        return cls(Region.whole(name, memory, rows, layout.words), layout)

    def rows_from(self, row: int) -> Place:
        """The same value, starting at a later row."""
        return Place(self.region.rows_from(row), self.layout)


class Context:
    """State of one compilation.

    places: where each value of the graph lies. task_mask: jobs that execute what is being lowered.
    copies: of the tokens, one for each task, in a job of all tasks (peritus.compiler.together); else 1.
    room: copies that the residual memory holds. offsets: of that job's maps in its output, task by task.
    experts: of each router, in the order in which they are computed.
    """

    def __init__(self, graph: Graph, hw: HwConfig, experts: Mapping[str, Sequence[int]]) -> None:
        self.hw = hw
        self.graph = graph
        self.types = graph.types
        self.steps: list[Step] = []
        self.places: dict[str, Place] = {}
        self.task_mask = ALL_TASKS
        self.experts = experts
        self.copies = self.room = 1
        self.offsets: tuple[int, ...] = ()

    def beside(self, copies: int, places: dict[str, Place]) -> Context:
        """Another job's, whose steps come between this one's: with places of its own for so many copies."""
        found = Context(self.graph, self.hw, self.experts)
        found.steps, found.copies, found.places = self.steps, copies, places
        return found

    def rows(self, value: str) -> int:
        """Rows of a value: its tokens, of every copy."""
        return self.types[value].shape[0] * self.copies

    def limit(self, what: str, need: int, have: int, unit: str, field: str | None = None) -> None:
        """CapacityError if the hardware has less than needed; field: as there."""
        if need > have:
            raise CapacityError(self.hw.name, what, need, have, unit, field)

    def blocks(self, tokens: int, limit: int | None = None) -> Iterator[tuple[int, int, str]]:
        """(first, count, label suffix) of the passes that cover `tokens` rows, at most acc_depth each."""
        size = min(self.hw.acc_depth, limit or tokens)
        for first in range(0, tokens, size):
            suffix = f", tokens from {first}" if size < tokens else ""
            yield first, min(size, tokens - first), suffix

    def step(
        self,
        label: str,
        instruction: Instruction,
        *,
        source: Region | None = None,
        keys: Region | None = None,
        destination: Region | None = None,
        segment: Bytes | None = None,
        source_slice: int = 0,
    ) -> None:
        """Append one instruction, for the tasks of `task_mask`."""
        masked = replace(instruction, task_mask=self.task_mask)
        self.steps.append(Step(label, masked, source, keys, destination, segment, source_slice))

    def affine(
        self,
        label: str,
        template: Instruction,
        affine: Affine,
        source: Place,
        tokens: int,
        outputs: Layout,
        destination: Region | None,
        rescale: Requant | None = None,
    ) -> None:
        """GEMM steps of an affine operation on `tokens` rows, in blocks of acc_depth that share one segment.

        template: a GEMM with the modes set; counts are filled in. destination: None for the router.
        """
        hw = self.hw
        int4 = hw.int4 and affine.weight_bits == 4
        segment = segments.affine_segment(affine, rescale, source.layout, outputs, hw.pk, hw.pn, int4)
        for first, count, suffix in self.blocks(tokens):
            self.step(
                label + suffix,
                replace(
                    template,
                    tokens=count,
                    k_tiles=source.layout.tiles(hw.pk),
                    n_tiles=outputs.words,
                    params=1,
                    int4=int(int4),
                ),
                source=source.region.rows_from(first),
                destination=destination.rows_from(first) if destination else None,
                segment=segment,
            )
