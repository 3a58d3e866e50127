# SPDX-License-Identifier: Apache-2.0
"""The delays of a device: what its table (a .toml beside this file, with the source of each number) says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from peritus.toml import tomllib

FOLDER = Path(__file__).parent
Delays = tuple[tuple[str, float], ...]  # beginning of a pin's name, number; the first that fits


@dataclass(frozen=True)
class BlockRegister:
    """A register of a hard block's own, which a flip-flop beside it becomes.

    setup: into one at the `inputs`. launch: from one at the `outputs`, to the block's pins. In ns.
    """

    setup: float
    launch: float
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class CellTiming:
    """Delays in ns of one kind of cell.

    group: what `Library.wire_inside` knows it by. area: in slices, of a load or a driver; `shared`: less for
    pins that several cells have in common. launch: clock to output. arcs: input, output, ns.
    """

    group: str
    area: float
    launch: Delays = ()
    setup: Delays = ()
    arcs: tuple[tuple[str, str, float], ...] = ()
    shared: Delays = ()
    register: BlockRegister | None = None

    def arc(self, source: str, target: str) -> float | None:
        """From an input to an output; None if no signal goes there without a clock."""
        for begin, end, delay in self.arcs:
            if source.startswith(begin) and target.startswith(end):
                return delay
        return None

    def load_area(self, port: str) -> float:
        less = delay_of(self.shared, port)
        return self.area if less is None else less


@dataclass(frozen=True)
class Wire:
    """Delay of a net by the area of its cells; see the table."""

    base: float
    per_slice: float
    long_side: float
    per_long_slice: float

    def delay(self, area: float) -> float:
        """ns to the farthest load of a net whose cells take `area` slices."""
        side = math.sqrt(area)
        short = min(side, self.long_side)
        return self.base + self.per_slice * short + self.per_long_slice * (side - short)


@dataclass(frozen=True)
class Library:
    """A device. clocks: pins that are no data. uncertainty: of the clock, ns. cells: by kind."""

    device: str
    clocks: frozenset[str]
    wire: Wire
    uncertainty: float
    dedicated: tuple[tuple[str, str, str, float], ...]
    packed: tuple[tuple[str, str, str, float], ...]
    cells: Mapping[str, CellTiming]

    @classmethod
    def load(cls, name: str) -> Library:
        """The table `name`, for example xcup_2."""
        table = tomllib.loads((FOLDER / f"{name}.toml").read_text())
        return cls(
            table["device"],
            frozenset(table["clocks"]),
            Wire(**table["wire"]),
            table["clock"]["uncertainty"],
            tuple(tuple(row) for row in table["local"]["dedicated"]),
            tuple(tuple(row) for row in table["local"]["packed"]),
            {kind: _cell(cell) for cell in table["cell"] for kind in cell["kinds"]},
        )

    @cached_property
    def launching(self) -> frozenset[str]:
        """Kinds with an output that follows a clock."""
        return frozenset(kind for kind, cell in self.cells.items() if cell.launch)

    def wire_inside(self, driver: str, load: str, port: str, *, alone: bool) -> float | None:
        """ns of a wire that stays inside a slice, None if it leaves it. alone: the net has no other load."""
        groups = self.cells[driver].group, self.cells[load].group
        for source, target, pin, delay in (*self.dedicated, *(self.packed if alone else ())):
            if groups == (source, target) and port.startswith(pin):
                return delay
        return None


def delay_of(delays: Delays, port: str) -> float | None:
    """The number of a pin, None if it has none."""
    return next((delay for begin, delay in delays if port.startswith(begin)), None)


def _cell(table: Mapping[str, Any]) -> CellTiming:
    rows = {key: tuple(map(tuple, table.get(key, ()))) for key in ("launch", "setup", "arcs", "shared")}
    register = table.get("register")
    if register:
        pins = {key: tuple(register[key]) for key in ("inputs", "outputs")}
        register = BlockRegister(register["setup"], register["launch"], **pins)
    return CellTiming(table["group"], table["area"], register=register, **rows)
