# SPDX-License-Identifier: Apache-2.0
"""Are two mapped netlists the same circuit, but for the names of its cells and wires?

    python tools/compare_netlists.py BEFORE.json AFTER.json     as Yosys's write_json writes them, or .json.gz

Same means: cells can be paired so that types and parameters agree, and each wire's pins are those of one
wire of the other netlist. The ports of the top module are paired by name; attributes do not count. Exit
status 0 if a pairing was found, and checked pin for pin; 1 if not.

The pairing comes from colour refinement: a cell's colour is its type, parameters and the colours of its
wires; a wire's colour is that of its pins. What is still alike when colours settle is symmetric: one pair
of it gets a colour of its own, and colours settle again.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Wire = int | str  # Yosys's number of a wire, or a constant: "0", "1", "x", "z"
Pin = tuple[str, int]  # port of a cell, bit of it


@dataclass(frozen=True)
class Netlist:
    """A flat netlist. cells: name -> type and parameters; pins: of each cell; ports: of the top module."""

    cells: dict[str, Hashable]
    types: dict[str, str]
    pins: dict[str, list[tuple[Pin, Wire]]]
    ports: list[tuple[Pin, Wire]]


def read_netlist(path: Path, top: str | None = None) -> Netlist:
    """The module `top`, or the one with the attribute of that name.

    Raises:
        SystemExit: the file has no such module.
    """
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    modules = json.loads(text)["modules"]
    tops = [name for name, module in modules.items() if "top" in module.get("attributes", {})]
    name = top or (tops[0] if tops else "")
    if name not in modules:
        raise SystemExit(f"error: {path}: no module {name!r}; name one of {len(modules)} with --top")
    return netlist(modules[name])


def netlist(module: dict[str, Any]) -> Netlist:
    """One module of Yosys's JSON."""
    cells: dict[str, Hashable] = {
        name: (cell["type"], tuple(sorted(cell["parameters"].items())))
        for name, cell in module["cells"].items()
    }
    pins = {
        name: [
            ((port, i), wire)
            for port, wires in sorted(cell["connections"].items())
            for i, wire in enumerate(wires)
        ]
        for name, cell in module["cells"].items()
    }
    ports = [
        ((f"{port['direction']} {name}", i), wire)
        for name, port in sorted(module["ports"].items())
        for i, wire in enumerate(port["bits"])
    ]
    return Netlist(cells, {name: cell["type"] for name, cell in module["cells"].items()}, pins, ports)


class _Colours:
    """Colours of the cells and wires of one netlist; equal numbers mean equal, in both netlists."""

    def __init__(self, circuit: Netlist, numbers: dict[Hashable, int]) -> None:
        self.circuit, self.numbers = circuit, numbers
        self.cells = {name: self._number(kind) for name, kind in circuit.cells.items()}
        anchors = defaultdict(list)
        for pin, wire in circuit.ports:
            anchors[wire].append(pin)
        wires = {wire for pins in circuit.pins.values() for _, wire in pins} | set(anchors)
        self.wires = {
            wire: self._number((wire if isinstance(wire, str) else "", tuple(anchors.get(wire, ()))))
            for wire in wires
        }

    def _number(self, key: Hashable) -> int:
        return self.numbers.setdefault(key, len(self.numbers))

    def step(self) -> None:
        """Every cell takes the colours of its wires into its own, then every wire those of its pins."""
        pins_of: dict[Wire, list[tuple[int, Pin]]] = defaultdict(list)
        for name, pins in self.circuit.pins.items():
            colour = self._number((self.cells[name], tuple((pin, self.wires[wire]) for pin, wire in pins)))
            self.cells[name] = colour
            for pin, wire in pins:
                pins_of[wire].append((colour, pin))
        for wire, old in self.wires.items():
            if not isinstance(wire, str):
                self.wires[wire] = self._number((old, tuple(sorted(pins_of[wire]))))

    def classes(self) -> Counter[int]:
        return Counter(self.cells.values())


def pairing(before: Netlist, after: Netlist) -> dict[str, str] | None:
    """Cells of `before` -> cells of `after` of the same circuit, or None."""
    numbers: dict[Hashable, int] = {}
    left, right = _Colours(before, numbers), _Colours(after, numbers)
    count = 0
    while True:
        classes = left.classes()
        if classes != right.classes():
            return None
        if len(classes) == len(before.cells):
            break
        if len(classes) == count:  # settled: tell one symmetric pair from the others
            tied = next(colour for colour, members in classes.items() if members > 1)
            fresh = len(numbers)
            numbers[("pair", fresh)] = fresh
            for side in (left, right):
                side.cells[next(name for name, colour in side.cells.items() if colour == tied)] = fresh
        count = len(classes)
        left.step()
        right.step()
    names = {colour: name for name, colour in right.cells.items()}
    pairs = {name: names[colour] for name, colour in left.cells.items()}
    return pairs if _same(before, after, pairs) else None


def _same(before: Netlist, after: Netlist, pairs: dict[str, str]) -> bool:
    """The pairing keeps types, parameters and, one to one, wires."""
    there: dict[Wire, Wire] = {}
    back: dict[Wire, Wire] = {}
    pins = [(before.ports, after.ports)]
    for old, new in pairs.items():
        if before.cells[old] != after.cells[new]:
            return False
        pins.append((before.pins[old], after.pins[new]))
    for ours, theirs in pins:
        if [pin for pin, _ in ours] != [pin for pin, _ in theirs]:
            return False
        for (_, a), (_, b) in zip(ours, theirs, strict=True):
            if isinstance(a, str) or isinstance(b, str):
                if a != b:
                    return False
            elif there.setdefault(a, b) != b or back.setdefault(b, a) != a:
                return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description="Are two mapped netlists the same circuit?")
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--top", help="module to compare, where it is not marked as the top")
    args = parser.parse_args()
    before, after = read_netlist(args.before, args.top), read_netlist(args.after, args.top)
    counts = [Counter(circuit.types.values()) for circuit in (before, after)]
    print(f"{'cell':<16}{'before':>9}{'after':>9}")
    for kind in sorted(counts[0] | counts[1]):
        differs = "" if counts[0][kind] == counts[1][kind] else "  differs"
        print(f"{kind:<16}{counts[0][kind]:>9}{counts[1][kind]:>9}{differs}")
    print(f"{'all':<16}{counts[0].total():>9}{counts[1].total():>9}")
    same = pairing(before, after) is not None
    print("the same circuit" if same else "DIFFERENT circuits")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
