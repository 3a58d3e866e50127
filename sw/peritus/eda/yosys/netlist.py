# SPDX-License-Identifier: Apache-2.0
"""Area and logic depth per instance of a flat, mapped netlist in Yosys' JSON form.

Depth counts levels between registers: a LUT, entering a carry chain and an unregistered multiplier are one
level each; running along a carry chain and the multiplexers inside a slice are free. Paths cross block
boundaries; a path belongs to the block in which it ends. Block RAM and flip-flops start and end paths, so do
the ports of the top.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from peritus.eda.errors import ToolchainError


@dataclass(frozen=True)
class Cells:
    """The cells that a netlist may consist of; any other is an error, so that nothing is left out silently.

    flip_flops, block_ram, clocked: end a path at their inputs and start one at their outputs.
    lut_ram: kind -> what the names of its read address pins begin with: writing is clocked, reading is not.
    levels: of a combinational cell. carry_in: pins of the dedicated wire along a carry chain.
    """

    flip_flops: frozenset[str]
    block_ram: frozenset[str]
    clocked: frozenset[str]
    lut_ram: Mapping[str, tuple[str, ...]]
    levels: Mapping[str, int]
    carry_in: frozenset[tuple[str, str]]

    @property
    def sequential(self) -> frozenset[str]:
        """Kinds without a way from any input to an output."""
        return self.flip_flops | self.block_ram | self.clocked

    def is_read_address(self, kind: str, port: str) -> bool:
        """Is it a pin of distributed RAM from which a signal goes on to the outputs?"""
        return port.startswith(self.lut_ram[kind])


ECP5 = Cells(
    flip_flops=frozenset({"TRELLIS_FF"}),
    block_ram=frozenset({"DP16KD", "PDPW16KD"}),
    clocked=frozenset(),
    lut_ram={"TRELLIS_DPR16X4": ("RAD",)},
    levels={
        **dict.fromkeys(("LUT4", "CCU2C", "MULT18X18D", "ALU54B", "TRELLIS_DPR16X4"), 1),
        **dict.fromkeys(("PFUMX", "L6MUX21"), 0),
    },
    carry_in=frozenset({("CCU2C", "CIN")}),
)
AREA_TYPES = ["LUT4", "CCU2C", "TRELLIS_FF", "TRELLIS_DPR16X4", "MULT18X18D", "DP16KD"]

_BITS = re.compile(r"(\[\d+\])+$")


class NetlistError(ToolchainError):
    """The netlist has a combinational loop or a cell of unknown kind."""


@dataclass(frozen=True)
class LogicPath:
    """The deepest way from any register to one register: `levels` of logic through instances `blocks`."""

    levels: int
    start: str
    end: str
    blocks: tuple[str, ...]


@dataclass
class Instance:
    """One instance of a module; `path` is '' for the top."""

    path: str
    module: str
    own: Counter[str] = field(default_factory=Counter)  # cells that belong to no instance inside
    total: Counter[str] = field(default_factory=Counter)
    deepest: LogicPath | None = None  # ends in this instance or one inside


@dataclass(frozen=True)
class Analysis:
    """`instances` in order of their paths; `paths` one per end register (all its bits), deepest first."""

    instances: dict[str, Instance]
    paths: tuple[LogicPath, ...]


@dataclass(frozen=True)
class Memory:
    """A memory array and what became of it: `cells` counts RAM cells, none if it is made of registers."""

    instance: str
    module: str
    name: str
    words: int
    width: int
    style: str  # attribute ram_style, '' if there is none
    cells: Counter[str]

    @property
    def kind(self) -> str:
        """Block RAM, distributed RAM or registers."""
        if ECP5.block_ram & self.cells.keys():
            return "block"
        return "distributed" if self.cells else "registers"


class FlatNetlist:
    """One flat module, indexed by net and by instance."""

    def __init__(self, design: Mapping[str, Any], top: str, library: Cells) -> None:
        self.library = library
        module: Mapping[str, Any] = design["modules"][top]
        cells: Mapping[str, Any] = module["cells"]
        self.ports: Mapping[str, Any] = module["ports"]
        self.modules = {"": top}  # instance path -> module
        for name, cell in cells.items():
            if cell["type"] == "$scopeinfo" and cell["parameters"]["TYPE"] == "module":
                # A module kept in the hierarchy carries its instance path: ram_1r1w$core.u_memory
                self.modules[name] = str(cell["attributes"]["module"]).lstrip("\\").split("$")[0]
        self.cells = {name: cell for name, cell in cells.items() if not cell["type"].startswith("$")}
        self.owner = {name: self._owner(name) for name in self.cells}
        unknown = {cell["type"] for cell in self.cells.values()} - library.sequential - library.levels.keys()
        if unknown:
            raise NetlistError(f"cells of unknown kind: {sorted(unknown)}")
        self.names: dict[int, list[str]] = {}
        for name, net in module.get("netnames", {}).items():
            if not net["hide_name"]:
                for bit in net["bits"]:
                    self.names.setdefault(bit, []).append(name)

    def _owner(self, cell: str) -> str:
        """Path of the instance that a cell belongs to: the longest that its name begins with."""
        parts = plain_name(cell).split(".")
        return next(
            (path for n in range(len(parts), 0, -1) if (path := ".".join(parts[:n])) in self.modules), ""
        )

    def pins(self, cell: str, direction: str) -> Iterator[tuple[str, int]]:
        """(port, net) of every connected pin; constants are not nets."""
        for port, bits in self.cells[cell]["connections"].items():
            if self.cells[cell]["port_directions"][port] == direction:
                yield from ((port, bit) for bit in bits if isinstance(bit, int))

    def combinational_inputs(self, cell: str) -> Iterator[tuple[str, int]]:
        """Inputs from which a signal goes on to the outputs without a clock."""
        kind = self.cells[cell]["type"]
        if kind not in self.library.sequential:
            for port, net in self.pins(cell, "input"):
                if kind not in self.library.lut_ram or self.library.is_read_address(kind, port):
                    yield port, net

    def clocked_inputs(self, cell: str) -> Iterator[int]:
        """Inputs at which a path ends."""
        kind = self.cells[cell]["type"]
        if kind in self.library.sequential or kind in self.library.lut_ram:
            for port, net in self.pins(cell, "input"):
                if kind not in self.library.lut_ram or not self.library.is_read_address(kind, port):
                    yield net

    def register_name(self, cell: str) -> str:
        """A name that the source knows: the register's signal, or the memory cell's."""
        owner = self.owner[cell]
        if self.cells[cell]["type"] in self.library.flip_flops:
            names = [name for _, net in self.pins(cell, "output") for name in self.names.get(net, [])]
            inside = [name for name in names if name.startswith(owner) and "." not in name[len(owner) + 1 :]]
            candidates = [_BITS.sub("", name) for name in inside or names]
            if candidates:
                return min(candidates, key=lambda name: (not name.endswith("_q"), len(name), name))
        name = plain_name(cell)
        return name.split(".$")[0] if "$" in name else re.sub(r"(\.\d+)+$", "", name)


def plain_name(cell: str) -> str:
    """Name without Yosys' marks of flattening: $flatten\\u_a.\\u_b.$auto$1 -> u_a.u_b.$auto$1."""
    return cell.removeprefix("$flatten").replace("\\", "")


def _prefixes(path: str, modules: Mapping[str, str]) -> Iterator[str]:
    """The instance paths that contain `path`, itself first, the top last."""
    while path:
        if path in modules:
            yield path
        path = path.rpartition(".")[0]
    yield ""


def _arrivals(netlist: FlatNetlist) -> tuple[dict[int, int], dict[int, int], dict[int, str]]:
    """Level of every net that a register can reach, its deepest predecessor, and its driver."""
    driver = {net: name for name in netlist.cells for _, net in netlist.pins(name, "output")}
    readers: dict[int, list[tuple[str, str]]] = {}
    waiting: Counter[str] = Counter()
    for name in netlist.cells:
        for port, net in netlist.combinational_inputs(name):
            readers.setdefault(net, []).append((name, port))
            waiting[name] += net in driver

    level: dict[int, int] = {}
    before: dict[int, int] = {}
    best: dict[str, tuple[int, int]] = {}  # cell -> level of its outputs, input net that gives it
    library = netlist.library
    combinational = [name for name, cell in netlist.cells.items() if cell["type"] not in library.sequential]
    for name, cell in netlist.cells.items():
        if cell["type"] in library.sequential:
            level.update((net, 0) for _, net in netlist.pins(name, "output"))
    for port in netlist.ports.values():
        if port["direction"] == "input":
            level.update((net, 0) for net in port["bits"])
    known = list(level)
    ready = [name for name in combinational if not waiting[name]]
    finished = 0
    while known or ready:
        if known:  # before `ready`: readers of a port do not wait for it
            net = known.pop()
            for name, pin in readers.get(net, []):
                kind = netlist.cells[name]["type"]
                through = level[net] + (0 if (kind, pin) in library.carry_in else library.levels[kind])
                best[name] = max(best.get(name, (0, net)), (through, net))
                if net in driver:
                    waiting[name] -= 1
                    if not waiting[name]:
                        ready.append(name)
            continue
        name = ready.pop()
        finished += 1
        for _, output in netlist.pins(name, "output"):
            level[output] = 0  # of a constant
            if name in best:
                level[output], before[output] = best[name]
            known.append(output)
    if finished != len(combinational):
        stuck = sorted(plain_name(name) for name, count in waiting.items() if count > 0)[:5]
        raise NetlistError(
            f"combinational loop through {len(combinational) - finished} cells, among them {stuck}"
        )
    return level, before, driver


def analyse(design: Mapping[str, Any], top: str, library: Cells = ECP5) -> Analysis:
    """Area and depth of the flat module `top`, which consists of the cells of `library`.

    Raises:
        NetlistError: there is a combinational loop, or a cell that `library` does not know.
    """
    netlist = FlatNetlist(design, top, library)
    instances = {path: Instance(path, module) for path, module in sorted(netlist.modules.items())}
    for name, cell in netlist.cells.items():
        owner = netlist.owner[name]
        instances[owner].own[cell["type"]] += 1
        for path in _prefixes(owner, netlist.modules):
            instances[path].total[cell["type"]] += 1

    level, before, driver = _arrivals(netlist)
    port_of = {net: name for name, port in netlist.ports.items() for net in port["bits"]}

    def trace(net: int, end: str, owner: str) -> LogicPath:
        levels = level.get(net, 0)
        blocks = [owner]
        while net in before:
            blocks.append(netlist.owner[driver[net]])
            net = before[net]
        if net in driver:
            blocks.append(netlist.owner[driver[net]])
        start = netlist.register_name(driver[net]) if net in driver else f"port {port_of[net]}"
        order = [block for i, block in enumerate(blocks) if i == 0 or block != blocks[i - 1]]
        return LogicPath(levels, start, end, tuple(reversed(order)))

    # The deepest net that ends in each register.
    ends: dict[tuple[str, str], tuple[int, int]] = {}
    for name in netlist.cells:
        worst = max(((level.get(net, 0), net) for net in netlist.clocked_inputs(name)), default=None)
        if worst:
            end = (netlist.register_name(name), netlist.owner[name])
            ends[end] = max(ends.get(end, worst), worst)
    for name, port in netlist.ports.items():
        if port["direction"] == "output":
            nets = [net for net in port["bits"] if isinstance(net, int)]
            worst = max(((level.get(net, 0), net) for net in nets), default=None)
            if worst:
                ends[(f"port {name}", "")] = worst
    deepest_first = sorted(ends.items(), key=lambda item: (-item[1][0], item[0]))
    paths = tuple(trace(net, end, owner) for (end, owner), (_, net) in deepest_first)
    for logic, ((_, owner), _) in zip(paths, deepest_first, strict=True):
        for outer in _prefixes(owner, netlist.modules):
            if logic.levels and instances[outer].deepest is None:
                instances[outer].deepest = logic
    return Analysis(instances, paths)


def memories(design: Mapping[str, Any], before: Mapping[str, Any], top: str) -> list[Memory]:
    """Every memory that is RAM or should be.

    design: the flat mapped netlist. before: the unmapped hierarchy, with its memory arrays.
    """
    placed: dict[str, Counter[str]] = {}
    for name, cell in design["modules"][top]["cells"].items():
        if cell["type"] in ECP5.block_ram or cell["type"] in ECP5.lut_ram:
            array = re.sub(r"(\.\d+)+$", "", plain_name(name))
            placed.setdefault(array, Counter())[cell["type"]] += 1
    found = []
    for full_name, module in before["modules"].items():
        base, _, path = full_name.partition("$")
        path = path.removeprefix(top).removeprefix(".")
        for name, memory in module.get("memories", {}).items():
            array = f"{path}.{name}" if path else name
            style = memory["attributes"].get("ram_style", "")
            if style or array in placed:
                found.append(
                    Memory(
                        path, base, name, memory["size"], memory["width"], style, placed.get(array, Counter())
                    )
                )
    return sorted(found, key=lambda memory: memory.instance)
