# SPDX-License-Identifier: Apache-2.0
"""A flat netlist as nets with a driver and loads, and how long each wire is estimated to be.

What placement and optimization surely do is done here: inverters vanish, and a flip-flop that alone feeds a
hard block, or alone is fed by it, stands in the block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from peritus.eda.timing.library import CellTiming, Library
from peritus.eda.yosys.netlist import Cells, FlatNetlist

INVERTER = "INV"
FLIP_FLOP, LUT_RAM = "FF", "LUTRAM"


@dataclass(frozen=True)
class Pin:
    """A pin of a cell; of a port of several bits each bit is one."""

    cell: str
    port: str


@dataclass
class Net:
    """One driver and its loads; clock pins are none. wire: ns to the farthest load."""

    driver: Pin
    loads: list[Pin] = field(default_factory=list)
    wire: float = 0.0


class Graph:
    """The top without its ports.

    kind: of each cell. clock: the port of the top that clocks it, '' if none does. nets: by bit. inputs,
    outputs: of each cell its data pins, port and bit. home: the block that a flip-flop stands in. behind: the
    same, of those at the block's outputs.

    Raises:
        NetlistError: a cell of a kind that `cells` does not know.
    """

    def __init__(self, design: Mapping[str, Any], top: str, library: Library, cells: Cells) -> None:
        self.library = library
        self.netlist = FlatNetlist(design, top, cells)
        every = self.netlist.cells
        self.kind: dict[str, str] = {
            name: cell["type"] for name, cell in every.items() if cell["type"] != INVERTER
        }
        port_of = {bit: name for name, port in self.netlist.ports.items() for bit in port["bits"]}
        self.clock = {cell: self._clock(cell, port_of) for cell in self.kind}
        self.outputs = {cell: list(self.netlist.pins(cell, "output")) for cell in self.kind}
        self.nets = {bit: Net(Pin(cell, port)) for cell in self.kind for port, bit in self.outputs[cell]}
        straight = dict(self._inverters())
        self.inputs = {cell: list(self._data_inputs(cell, straight)) for cell in self.kind}
        for cell, pins in self.inputs.items():
            for port, bit in pins:
                self.nets[bit].loads.append(Pin(cell, port))
        self.behind = dict(self._registers_behind())
        self.home = self.behind | dict(self._registers_before())
        for net in self.nets.values():
            net.wire = library.wire.delay(self.area(net))

    @property
    def clocks(self) -> list[str]:
        """All there are, sorted."""
        return sorted(set(self.clock.values()))

    def timing_of(self, cell: str) -> CellTiming:
        return self.library.cells[self.kind[cell]]

    def wire(self, net: Net, load: Pin) -> float:
        """ns from the driver of a net to one of its loads."""
        driver = net.driver.cell
        if self.home.get(load.cell, load.cell) == self.home.get(driver, driver):
            return 0.0
        kinds = self.kind[driver], self.kind[load.cell]
        inside = self.library.wire_inside(*kinds, load.port, alone=len(net.loads) == 1)
        return net.wire if inside is None else inside

    def _clock(self, cell: str, port_of: Mapping[int, str]) -> str:
        pins = self.netlist.pins(cell, "input")
        return next((port_of.get(bit, "") for pin, bit in pins if pin in self.library.clocks), "")

    def _inverters(self) -> Iterator[tuple[int, int]]:
        """Net behind an inverter, net before it."""
        for cell in self.netlist.cells.values():
            if cell["type"] == INVERTER:
                (before,), (after,) = cell["connections"]["I"], cell["connections"]["O"]
                yield after, before

    def _data_inputs(self, cell: str, straight: Mapping[int, int]) -> Iterator[tuple[str, int]]:
        """Inputs that a cell drives, clocks apart."""
        for port, bit in self.netlist.pins(cell, "input"):
            while bit in straight:
                bit = straight[bit]
            if bit in self.nets and port not in self.library.clocks:
                yield port, bit

    def _registers_behind(self) -> Iterator[tuple[str, str]]:
        """Flip-flop, block: all outputs that the block has go into such ones and nowhere else."""
        for block in self.kind:
            if register := self.timing_of(block).register:
                pins = [bit for port, bit in self.outputs[block] if port.startswith(register.outputs)]
                loads = [self.nets[bit].loads for bit in pins if self.nets[bit].loads]
                if all(len(pins) == 1 and self._is_flip_flop(pins[0].cell) for pins in loads):
                    yield from ((pin.cell, block) for (pin,) in loads if pin.port == "D")

    def _registers_before(self) -> Iterator[tuple[str, str]]:
        """Flip-flop, block: it feeds inputs of the block and nothing else."""
        for block in self.kind:
            if register := self.timing_of(block).register:
                for port, bit in self.inputs[block]:
                    net = self.nets[bit]
                    alone = all(load.cell == block for load in net.loads)
                    if alone and port.startswith(register.inputs) and self._is_flip_flop(net.driver.cell):
                        yield net.driver.cell, block

    def _is_flip_flop(self, cell: str) -> bool:
        return self.timing_of(cell).group == FLIP_FLOP

    def area(self, net: Net) -> float:
        """Slices that driver and loads take, each cell once."""
        areas: dict[str, float] = {}
        for pin in (net.driver, *net.loads):
            cell = self.home.get(pin.cell, pin.cell)
            timing = self.timing_of(cell)
            whole = pin is net.driver or cell != pin.cell
            area = timing.area if whole else timing.load_area(pin.port)
            areas[cell] = max(area, areas.get(cell, 0.0))
        return sum(areas.values())
