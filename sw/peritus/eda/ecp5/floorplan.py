# SPDX-License-Identifier: Apache-2.0
"""Places for the multipliers and block RAMs of an ECP5, chosen before nextpnr places the logic around them.

`nano` uses nearly all of them, in a few rows across the whole chip. nextpnr's placers begin without regard to
rows, and then find hardly a place free. With fixed places their solution has something to hold on to.

A floorplan is a TOML file, a table for each strip of the chip:

    [[strip]]
    cell = "DP16KD"        # or "MULT18X18D"
    rows = [70, 82]        # y of the rows that the strip consists of
    lanes = 16             # slices of the strip from left to right
    nets = [{ name = "u_top.u_memory.wdata" }, { name = "u_top.u_other.x_q", repeats = 8, reverse = true }]

A cell with an input bit of one of the nets belongs to the lane of that bit: bits are divided evenly among the
lanes, lowest first (`reverse`: last; `repeats`: each of so many equal parts of the net is divided, as the
rows of a matrix). A lane is filled row by row, in order of nets; strips may share rows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peritus.eda.errors import ToolchainError
from peritus.toml import tomllib

# An LFE5U-85F, the only one so far: x of each group of four sites; offset and name of the sites in it; rows.
_GROUPS = (4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114)
_SITES = {
    "DP16KD": ({0: "EBR0", 2: "EBR1", 4: "EBR2", 6: "EBR3"}, (22, 46, 70, 82)),
    "MULT18X18D": ({0: "MULT18_0", 1: "MULT18_1", 4: "MULT18_4", 5: "MULT18_5"}, (10, 34, 58)),
}
_WORD = re.compile(r"(.+)\[(\d+)\]")


class FloorplanError(ToolchainError):
    """A floorplan that says nothing sensible, or does not suit the netlist; names the strip or the net."""


@dataclass(frozen=True)
class Net:
    """Bits that order the cells of a strip; see the module's description."""

    name: str
    repeats: int = 1
    reverse: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.repeats, int) or self.repeats < 1:
            raise FloorplanError(
                f"net {self.name}: repeats = {self.repeats!r}, must be an integer, 1 or more"
            )


@dataclass(frozen=True)
class Strip:
    """Rows of one kind of cell, divided into lanes."""

    cell: str
    rows: tuple[int, ...]
    lanes: int
    nets: tuple[Net, ...]

    def __post_init__(self) -> None:
        if self.cell not in _SITES:
            raise FloorplanError(f"cell = {self.cell!r}, must be one of {', '.join(_SITES)}")
        offsets, rows = _SITES[self.cell]
        if not self.rows or not set(self.rows) <= set(rows) or len(set(self.rows)) < len(self.rows):
            raise FloorplanError(
                f"rows = {list(self.rows)}, {self.cell} has the rows {list(rows)}, each once"
            )
        if not 1 <= self.lanes <= len(offsets) * len(_GROUPS):
            raise FloorplanError(f"lanes = {self.lanes}, must be 1 .. {len(offsets) * len(_GROUPS)}")

    def sites(self, lane: int) -> Iterator[str]:
        """Names of the sites in a lane, row by row."""
        offsets, _ = _SITES[self.cell]
        columns = [(group + offset, name) for group in _GROUPS for offset, name in offsets.items()]
        first, last = (len(columns) * edge // self.lanes for edge in (lane, lane + 1))
        return (f"X{x}/Y{y}/{name}" for y in self.rows for x, name in columns[first:last])


def read_floorplan(path: Path) -> tuple[Strip, ...]:
    """The strips of a floorplan file; FloorplanError if it is damaged or names what the device has not."""
    try:
        table = tomllib.loads(path.read_text())
        return tuple(
            Strip(
                strip["cell"],
                tuple(strip["rows"]),
                strip["lanes"],
                tuple(Net(**net) for net in strip["nets"]),
            )
            for strip in table["strip"]
        )
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise FloorplanError(f"{path} is no floorplan: {error!r}") from error
    except FloorplanError as error:
        raise FloorplanError(f"{path}: {error}") from error


def places(module: Mapping[str, Any], strips: tuple[Strip, ...]) -> dict[str, str]:
    """Cell -> site, of the cells that the strips name. module: a flat module as Yosys writes it (write_json).

    Raises:
        FloorplanError: a net that is not there or feeds no such cell, or a lane with more cells than sites.
    """
    found: dict[str, str] = {}
    for strip in strips:
        lanes: dict[int, list[str]] = defaultdict(list)
        for net in strip.nets:
            cells = _cells(module, strip, net, found)
            if not cells:
                raise FloorplanError(f"net {net.name} feeds no {strip.cell}")
            for cell, lane in cells:
                lanes[lane].append(cell)
        for lane, members in lanes.items():
            sites = [site for site in strip.sites(lane) if site not in found.values()]
            if len(members) > len(sites):
                raise FloorplanError(
                    f"rows {list(strip.rows)}, lane {lane}: {len(members)} {strip.cell}, at most {len(sites)}"
                )
            found |= zip(members, sites, strict=False)
    return found


def _cells(
    module: Mapping[str, Any], strip: Strip, net: Net, placed: Mapping[str, str]
) -> list[tuple[str, int]]:
    """Cells that the net feeds and that have no place yet, each with its lane; in order of bits."""
    order: dict[int, int] = {}  # bit of the netlist -> position in the net
    bits = 0
    for words in sorted(_words(module["netnames"], net.name)):
        for bit in words[1]:
            if isinstance(bit, int):  # not a constant
                order.setdefault(bit, bits)
            bits += 1
    cells = []
    for name, cell in module["cells"].items():
        if cell["type"] == strip.cell and name not in placed:
            inputs = (
                bit
                for port, connected in cell["connections"].items()
                if cell["port_directions"][port] == "input"
                for bit in connected
            )
            if positions := [order[bit] for bit in inputs if bit in order]:
                cells.append((min(positions), name))
    span, left = divmod(bits, net.repeats)
    if left:
        raise FloorplanError(f"net {net.name}: repeats = {net.repeats} does not divide its {bits} bits")
    lanes = [(name, position % span * strip.lanes // span) for position, name in sorted(cells)]
    return [(name, strip.lanes - 1 - lane if net.reverse else lane) for name, lane in lanes]


def _words(names: Mapping[str, Any], name: str) -> Iterator[tuple[int, list[int | str]]]:
    """A net, or the words of an array that Yosys took apart, as (index, bits)."""
    for found, net in names.items():
        if found == name:
            yield 0, net["bits"]
        elif (word := _WORD.fullmatch(found)) and word[1] == name:
            yield int(word[2]), net["bits"]
