# SPDX-License-Identifier: Apache-2.0
"""Arrival times through a graph: the slowest way into every register and memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from peritus.eda.timing.graph import Graph, Pin
from peritus.eda.timing.library import delay_of
from peritus.eda.yosys.netlist import NetlistError, plain_name


@dataclass(frozen=True)
class End:
    """The slowest input of a cell. ns: from clock edge to clock edge. bit: its net."""

    ns: float
    bit: int
    pin: Pin
    setup: float


class Analysis:
    """All paths of a graph; with `clock` those that begin at its edges. Ports of the top begin and end none.

    time: of each net when its driver has it, in ns; no entry: it never changes, or follows a port of the top.
    before: the net and the pin that the driver waited for. start: where the path began. ends: by cell.

    Raises:
        NetlistError: there is a combinational loop.
    """

    def __init__(self, graph: Graph, clock: str | None = None) -> None:
        self.graph = graph
        self.clock = clock
        self.time: dict[int, float] = {}
        self.before: dict[int, tuple[int, Pin]] = {}
        self.start: dict[int, str] = {}
        self._propagate()
        self.ends = {end.pin.cell: end for end in self._ends()}

    @property
    def worst_ns(self) -> float:
        """What the clock's period must be at least; 0 without a path."""
        return max((end.ns for end in self.ends.values()), default=0.0)

    def clocks_of(self, end: End) -> tuple[str, str]:
        """Of the registers where the path starts and ends: see `Graph.clock`."""
        return self.graph.clock[self.start[end.bit]], self.graph.clock[end.pin.cell]

    def at_load(self, bit: int, load: Pin) -> float:
        """When a load of a net has it."""
        return self.time[bit] + self.graph.wire(self.graph.nets[bit], load)

    def _propagate(self) -> None:
        """Each cell after all that it waits for."""
        graph = self.graph
        waiting = {cell: len(graph.inputs[cell]) for cell in graph.kind if graph.timing_of(cell).arcs}
        for cell in graph.kind:
            self._launch(cell)
        known = [bit for cell in graph.kind if cell not in waiting for _, bit in graph.outputs[cell]]
        ready = [cell for cell, count in waiting.items() if not count]
        done = 0
        while known or ready:
            while known:
                for load in graph.nets[known.pop()].loads:
                    if load.cell in waiting:
                        waiting[load.cell] -= 1
                        if not waiting[load.cell]:
                            ready.append(load.cell)
            if ready:
                cell = ready.pop()
                done += 1
                self._through(cell)
                known = [bit for _, bit in graph.outputs[cell]]
        if done != len(waiting):
            stuck = sorted(plain_name(cell) for cell, count in waiting.items() if count > 0)[:5]
            raise NetlistError(f"combinational loop through {len(waiting) - done} cells, among them {stuck}")

    def _launch(self, cell: str) -> None:
        if self.clock is not None and self.graph.clock[cell] != self.clock:
            return
        timing = self.graph.timing_of(cell)
        block = self.graph.behind.get(cell)
        register = self.graph.timing_of(block).register if block else None
        for port, bit in self.graph.outputs[cell]:
            after = register.launch if register else delay_of(timing.launch, port)
            if after is not None:
                self.time[bit], self.start[bit] = after, cell

    def _through(self, cell: str) -> None:
        """The outputs of a cell from its inputs; of the bits of a port the last one counts."""
        timing = self.graph.timing_of(cell)
        last: dict[str, tuple[float, int]] = {}
        for port, bit in self.graph.inputs[cell]:
            if bit in self.time:
                at = self.at_load(bit, Pin(cell, port)), bit
                last[port] = max(last.get(port, at), at)
        for target, output in self.graph.outputs[cell]:
            for source, (ready, bit) in last.items():
                arc = timing.arc(source, target)
                if arc is not None and ready + arc > self.time.get(output, -1.0):
                    self.time[output] = ready + arc
                    self.before[output] = bit, Pin(cell, source)
                    self.start[output] = self.start[bit]

    def _ends(self) -> Iterator[End]:
        for cell, inputs in self.graph.inputs.items():
            slowest = max(
                (
                    (self.at_load(bit, Pin(cell, port)) + setup, bit, port, setup)
                    for port, bit in inputs
                    if bit in self.time and (setup := self._setup(cell, port)) is not None
                ),
                default=None,
            )
            if slowest:
                ns, bit, port, setup = slowest
                yield End(ns + self.graph.library.uncertainty, bit, Pin(cell, port), setup)

    def _setup(self, cell: str, port: str) -> float | None:
        if port == "D" and cell in self.graph.home:
            if cell in self.graph.behind:
                return 0.0  # in the block's own way to its register
            register = self.graph.timing_of(self.graph.home[cell]).register
            return register.setup if register else None
        return delay_of(self.graph.timing_of(cell).setup, port)
