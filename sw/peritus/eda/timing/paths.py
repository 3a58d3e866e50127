# SPDX-License-Identifier: Apache-2.0
"""What an analysis has found, for people: slowest paths and largest fan-outs, by their names in the RTL."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from peritus.eda.timing.analysis import Analysis, End
from peritus.eda.timing.clocks import Clocks, share_of
from peritus.eda.timing.graph import FLIP_FLOP, LUT_RAM, Net

_INDEX = re.compile(r"\[\d+\]|\.\d+\b")
_BITS = re.compile(r"(\[\d+\])+$")
_SOURCE = re.compile(r"(?:^|[|/])(rtl/[^|:]+:\d+)")


@dataclass(frozen=True)
class Step:
    """A cell on a path, and the wire behind it.

    signal: the wire's name in the RTL, '' if it has none. fan_out: its loads. cell_ns, wire_ns: through the
    cell, and on to the next one.
    """

    kind: str
    signal: str
    fan_out: int
    cell_ns: float
    wire_ns: float


@dataclass(frozen=True)
class TimingPath:
    """From a clock edge at `start` to the next one at `pin` of `end`.

    ns: all of it, with setup and the clock's uncertainty. clocks: of start and end. start_line, end_line:
    file and line of the RTL, '' where the netlist does not say. alike: cells whose slowest path has the same
    names but for numbers.
    """

    ns: float
    clocks: Clocks
    start: str
    start_line: str
    end: str
    end_line: str
    pin: str
    setup_ns: float
    steps: tuple[Step, ...]
    alike: int

    @property
    def period_ns(self) -> float:
        """What the period of the fabric's clock must be at least."""
        return self.ns / share_of(self.clocks)

    @property
    def levels(self) -> int:
        """Cells between the registers."""
        return len(self.steps) - 1

    @property
    def wire_ns(self) -> float:
        return sum(step.wire_ns for step in self.steps)

    @property
    def widest(self) -> Step:
        """Before the wire of most loads."""
        return max(self.steps, key=lambda step: step.fan_out)


@dataclass(frozen=True)
class FanOut:
    """A net with many loads.

    signal: its name, or what most of its loads are called. driver: kind of cell; by_logic: not a register.
    into: loads by kind and pin. wire_ns: to the farthest.
    """

    signal: str
    driver: str
    by_logic: bool
    loads: int
    into: Mapping[str, int]
    wire_ns: float


class Reader:
    """Names what is in the analyses of one graph."""

    def __init__(self, analyses: Sequence[Analysis]) -> None:
        self.analyses, self.graph = analyses, analyses[0].graph
        self._names: dict[str, str] = {}

    def paths(self, count: int) -> tuple[TimingPath, ...]:
        """Those that need the longest period, longest first; one for all that differ in numbers only."""
        worst: dict[tuple[str, str, Clocks], tuple[Analysis, End]] = {}
        alike: Counter[tuple[str, str, Clocks]] = Counter()
        for analysis in self.analyses:
            for cell, end in analysis.ends.items():
                ways = self._lane(analysis.start[end.bit]), self._lane(cell), analysis.clocks_of(end)
                alike[ways] += 1
                if ways not in worst or end.ns > worst[ways][1].ns:
                    worst[ways] = analysis, end
        order = sorted(worst, key=lambda ways: (-worst[ways][1].ns / share_of(ways[2]), ways))
        return tuple(self._path(*worst[ways], alike[ways]) for ways in order[:count])

    def fan_outs(self, count: int) -> tuple[FanOut, ...]:
        """The nets with most loads; those that logic drives before those of registers."""
        nets = sorted(
            self.graph.nets.items(), key=lambda item: (self._by_register(item[1]), -len(item[1].loads))
        )
        return tuple(self._fan_out(bit, net) for bit, net in nets[:count])

    def name(self, cell: str) -> str:
        """What the RTL calls a register or memory."""
        if cell not in self._names:
            self._names[cell] = self._named(cell)
        return self._names[cell]

    def _named(self, cell: str) -> str:
        signals = [
            name for _, bit in self.graph.outputs[cell] for name in self.graph.netlist.names.get(bit, ())
        ]
        if signals and self.graph.timing_of(cell).group == FLIP_FLOP:
            plain = [_BITS.sub("", name) for name in signals]
            return min(plain, key=lambda name: (not name.endswith("_q"), len(name), name))
        name = self.graph.netlist.register_name(cell)
        if not name.startswith("$"):
            return name
        loads = [load.cell for _, bit in self.graph.outputs[cell] for load in self.graph.nets[bit].loads]
        return f"before {self._mostly(loads)}"

    def _lane(self, cell: str) -> str:
        return _INDEX.sub("", self.name(cell))

    def _path(self, analysis: Analysis, end: End, alike: int) -> TimingPath:
        steps = tuple(reversed(list(self._steps(analysis, end))))
        start = analysis.start[end.bit]
        return TimingPath(
            end.ns,
            analysis.clocks_of(end),
            self.name(start),
            self._line(start),
            self.name(end.pin.cell),
            self._line(end.pin.cell),
            end.pin.port,
            end.setup,
            steps,
            alike,
        )

    def _steps(self, analysis: Analysis, end: End) -> Iterator[Step]:
        """Backwards."""
        bit, load = end.bit, end.pin
        while True:
            net = self.graph.nets[bit]
            before = analysis.before.get(bit)
            since = analysis.at_load(*before) if before else 0.0
            kind = self.graph.kind[net.driver.cell]
            wire = self.graph.wire(net, load)
            yield Step(kind, self._signal(bit), len(net.loads), analysis.time[bit] - since, wire)
            if before is None:
                return
            bit, load = before

    def _signal(self, bit: int) -> str:
        names = self.graph.netlist.names.get(bit, ("",))
        return min(names, key=lambda name: (name.count("."), len(name), name))

    def _line(self, cell: str) -> str:
        found = _SOURCE.search(str(self.graph.netlist.cells[cell]["attributes"].get("src", "")))
        return found[1] if found else ""

    def _by_register(self, net: Net) -> bool:
        timing = self.graph.timing_of(net.driver.cell)
        return bool(timing.launch) and timing.group != LUT_RAM  # which reads without a clock

    def _fan_out(self, bit: int, net: Net) -> FanOut:
        into: Counter[str] = Counter()
        for load in net.loads:
            kind, ends = self.graph.kind[load.cell], self.graph.timing_of(load.cell).setup
            into[f"{kind}.{load.port}" if ends else kind] += 1
        signal = self._signal(bit) or f"into {self._mostly([load.cell for load in net.loads])}"
        kind = self.graph.kind[net.driver.cell]
        by_logic = not self._by_register(net)
        return FanOut(signal, kind, by_logic, len(net.loads), dict(into.most_common()), net.wire)

    def _mostly(self, cells: list[str]) -> str:
        """The name of most of the registers among the cells, else of those behind them."""
        for _ in range(4):
            ends = [cell for cell in cells if self.graph.timing_of(cell).setup and not self._nameless(cell)]
            if ends:
                return Counter(self._lane(cell) for cell in ends).most_common(1)[0][0]
            behind = [bit for cell in cells[:64] for _, bit in self.graph.outputs[cell]]
            cells = [load.cell for bit in behind for load in self.graph.nets[bit].loads]
        return "logic"

    def _nameless(self, cell: str) -> bool:
        signals = [
            name for _, bit in self.graph.outputs[cell] for name in self.graph.netlist.names.get(bit, ())
        ]
        return not signals and self.graph.netlist.register_name(cell).startswith("$")
