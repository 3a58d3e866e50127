# SPDX-License-Identifier: Apache-2.0
"""Area and logic depth per block of a flat, mapped ECP5 netlist in Yosys' JSON form.

Depth counts levels between registers: a LUT, entering a carry chain and an unregistered multiplier are one
level each; running along a carry chain and the multiplexers inside a slice are free. Paths cross block
boundaries; a path belongs to the block in which it ends. Block RAM and flip-flops start and end paths.
"""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

# Cells that end a path at their inputs and start one at their outputs.
CLOCKED = {"TRELLIS_FF", "DP16KD", "PDPW16KD"}
# Distributed RAM: writing is clocked, reading is combinational from the read address.
LUT_RAM = {"TRELLIS_DPR16X4": {"RAD"}}
# Levels of a combinational cell; anything not listed is an error, so that nothing is left out silently.
LEVELS = {"LUT4": 1, "CCU2C": 1, "MULT18X18D": 1, "TRELLIS_DPR16X4": 1, "PFUMX": 0, "L6MUX21": 0, "ALU54B": 1}
CARRY_IN = ("CCU2C", "CIN")  # the dedicated wire along a chain
AREA_TYPES = ["LUT4", "CCU2C", "TRELLIS_FF", "TRELLIS_DPR16X4", "MULT18X18D", "DP16KD"]


@dataclass
class Block:
    """All instances of one module: their own cells (not those of modules inside) and deepest path."""

    module: str
    instances: int = 0
    cells: Counter[str] = field(default_factory=Counter)
    depth: int = 0
    path_start: str = ""
    path_end: str = ""


class NetlistError(Exception):
    """The netlist has a combinational loop or a cell of unknown kind."""


def _scopes(cells: Mapping[str, Any], top: str) -> dict[str, str]:
    """Instance path -> module name, '' being the top."""
    scopes = {"": top}
    for name, cell in cells.items():
        if cell["type"] == "$scopeinfo" and cell["parameters"]["TYPE"] == "module":
            # Parameterized modules carry their instance path: ram_1r1w$core.u_memory
            scopes[name] = str(cell["attributes"]["module"]).lstrip("\\").split("$")[0]
    return scopes


def _owner(name: str, scopes: Mapping[str, str]) -> str:
    """Longest instance path that a cell's name begins with."""
    parts = name.split(".")
    return next((path for n in range(len(parts), 0, -1) if (path := ".".join(parts[:n])) in scopes), "")


def _pins(cell: Mapping[str, Any], direction: str) -> Iterator[tuple[str, int]]:
    """(port, net) of every connected pin; constants are not nets."""
    for port, bits in cell["connections"].items():
        if cell["port_directions"][port] == direction:
            yield from ((port, bit) for bit in bits if isinstance(bit, int))


def analyse(design: Mapping[str, Any], top: str) -> dict[str, Block]:
    """Module name -> Block of the flat module `top`.

    Raises:
        NetlistError: there is a combinational loop, or a cell that LEVELS does not know.
    """
    cells: Mapping[str, Any] = design["modules"][top]["cells"]
    scopes = _scopes(cells, top)
    blocks = {module: Block(module) for module in scopes.values()}
    for module in scopes.values():
        blocks[module].instances += 1

    logic = {name: cell for name, cell in cells.items() if not cell["type"].startswith("$")}
    block_of = {name: blocks[scopes[_owner(name, scopes)]] for name in logic}
    unknown = {cell["type"] for cell in logic.values()} - CLOCKED - LEVELS.keys()
    if unknown:
        raise NetlistError(f"cells of unknown kind: {sorted(unknown)}")

    # Arrival time of every net in levels, and the register that its deepest path starts from.
    arrival: dict[int, tuple[int, str]] = {}
    readers: dict[int, list[tuple[str, str]]] = {}
    waiting: Counter[str] = Counter()
    driven = {net for cell in logic.values() for _, net in _pins(cell, "output")}
    for name, cell in logic.items():
        block_of[name].cells[cell["type"]] += 1
        for port, net in _pins(cell, "input"):
            if cell["type"] in CLOCKED or port not in LUT_RAM.get(cell["type"], {port}):
                continue
            readers.setdefault(net, []).append((name, port))
            waiting[name] += net in driven
        if cell["type"] in CLOCKED:
            arrival.update((net, (0, name)) for _, net in _pins(cell, "output"))

    best: dict[str, tuple[int, str]] = {}
    ready = [name for name, cell in logic.items() if cell["type"] not in CLOCKED and not waiting[name]]
    known = list(arrival)
    finished = 0
    while known or ready:
        if ready:
            name = ready.pop()
            finished += 1
            result = best.get(name, (LEVELS[logic[name]["type"]], "input"))
            for _, net in _pins(logic[name], "output"):
                arrival[net] = result
                known.append(net)
            continue
        net = known.pop()
        depth, start = arrival[net]
        for name, port in readers.get(net, []):
            kind = logic[name]["type"]
            through = depth + (0 if (kind, port) == CARRY_IN else LEVELS[kind])
            best[name] = max(best.get(name, (0, "")), (through, start))
            waiting[name] -= 1
            if not waiting[name]:
                ready.append(name)
    combinational = sum(1 for cell in logic.values() if cell["type"] not in CLOCKED)
    if finished != combinational:
        stuck = heapq.nsmallest(5, (name for name, count in waiting.items() if count > 0))
        raise NetlistError(f"combinational loop through {combinational - finished} cells, among them {stuck}")

    for name, cell in logic.items():
        if cell["type"] in CLOCKED or cell["type"] in LUT_RAM:
            for port, net in _pins(cell, "input"):
                depth, start = arrival.get(net, (0, "input"))
                block = block_of[name]
                if depth > block.depth and port not in LUT_RAM.get(cell["type"], set()):
                    block.depth, block.path_start, block.path_end = depth, start, name
    return blocks
