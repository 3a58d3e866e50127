# SPDX-License-Identifier: Apache-2.0
"""The netlist that Yosys hands to nextpnr, made ready for sim/gates/netlist.hpp.

What the cells of an ECP5 do is said here and, for block RAM, there. tests/eda/ecp5/test_gates.py compares
it with the models that Yosys ships. A cell, parameter or value that is not in MODELLED is an error, so that
nothing is simulated as something else.
"""

from __future__ import annotations

import functools
import gzip
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peritus.eda.errors import ToolchainError
from peritus.eda.process import run_step
from peritus.eda.verilator.install import CXX
from peritus.resources import resource

TIMEOUT_S = 600.0
FLAGS = ("-std=gnu++20", "-O3", "-march=native", "-shared", "-fPIC")
INITVALS = [f"INITVAL_{i:02X}" for i in range(64)]  # of 16 times 18 bits, in 20 each
TABLES = ("LUT4", "PFUMX", "L6MUX21", "CCU2C")  # cells that become gates::Table
WIDEST = 36  # of a block RAM, with one port to write and one to read
CONSTANTS = {"0", "1", "x"}
OFF = {"0", "x"}
ANY = {"any"}

# Cell -> parameter -> its values that are modelled; numbers in binary.
MODELLED: Mapping[str, Mapping[str, Set[str]]] = {
    "LUT4": {"INIT": ANY},
    "PFUMX": {},
    "L6MUX21": {},
    "CCU2C": {
        "INIT0": ANY,
        "INIT1": ANY,
        "INJECT1_0": {"NO", "YES"},
        "INJECT1_1": {"NO", "YES"},
    },
    "TRELLIS_FF": {
        "GSR": {"DISABLED"},
        "CEMUX": {"1", "CE", "INV"},
        "CLKMUX": {"CLK"},
        "LSRMUX": {"LSR"},
        "SRMODE": {"LSR_OVER_CE", "ASYNC"},
        "REGSET": {"RESET", "SET"},
    },
    "TRELLIS_DPR16X4": {
        "INITVAL": ANY,
        "WCKMUX": {"WCK"},
        "WREMUX": {"WRE"},
    },
    "MULT18X18D": {},
    "DP16KD": {
        **dict.fromkeys(INITVALS, ANY),
        "DATA_WIDTH_A": {f"{width:032b}" for width in (1, 2, 4, 9, 18, 36)},
        "DATA_WIDTH_B": {f"{width:032b}" for width in (1, 2, 4, 9, 18, 36)},
        "REGMODE_A": {"NOREG"},
        "REGMODE_B": {"NOREG"},
        "CSDECODE_A": {"0b000"},
        "CSDECODE_B": {"0b000"},
        "CLKAMUX": {"CLKA"},
        "CLKBMUX": {"CLKB"},
        "WRITEMODE_A": {"NORMAL", "READBEFOREWRITE"},
        "WRITEMODE_B": ANY,  # B does not write
        "RESETMODE": ANY,  # and nothing is reset
        "ASYNC_RESET_RELEASE": ANY,
        "GSR": {"DISABLED"},
    },
    "EHXPLLL": {
        "CLKI_DIV": {f"{1:032b}"},
        "CLKFB_DIV": {f"{2:032b}"},
        "CLKOP_DIV": ANY,  # of the PLL's oscillator
        "CLKOP_CPHASE": ANY,
        "CLKOP_FPHASE": {f"{0:032b}"},
        "CLKOP_ENABLE": {"ENABLED"},
        "FEEDBK_PATH": {"CLKOP"},
    },
}
# Parameters that may be absent: then as MODELLED has them, LSR_OVER_CE and NORMAL.
OPTIONAL = {"SRMODE", "WRITEMODE_A", "WRITEMODE_B"}
# Pins of the clock, of which there is one.
CLOCK_PINS = {
    "TRELLIS_FF": ["CLK"],
    "TRELLIS_DPR16X4": ["WCK"],
    "DP16KD": ["CLKA", "CLKB"],
    "EHXPLLL": ["CLKFB", "CLKOP"],
}
# Pins that must be 0; what they do is not modelled.
OFF_PINS = {
    "MULT18X18D": ["SOURCEA", "SOURCEB"],
    "DP16KD": ["WEB", "RSTA", "RSTB", *(f"CS{port}{i}" for port in "AB" for i in range(3))],
    "EHXPLLL": ["RST", "STDBY"],
}

Contents = Mapping[int, NDArray[np.uint16]]  # number of a block RAM -> [2048], nine bits a word


class NetlistNotModelled(ToolchainError):
    """The netlist has something that the simulation does not know; names the cell."""


def read_netlist(path: Path, top: str) -> dict[str, Any]:
    """The top module of Yosys' netlist, JSON with gzip."""
    module: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))["modules"][top]
    return module


def write_netlist(module: Mapping[str, Any], pins: tuple[str, str], placed: Contents, target: Path) -> None:
    """The netlist as sim/gates/netlist.hpp reads it.

    Args:
        module: of read_netlist. pins: ports of the top of one bit, which the line drives and reads.
        placed: contents of the block RAMs as nextpnr wrote them. Each block RAM of the netlist gets the
            number of one with its content.

    Raises:
        NetlistNotModelled: a cell or value without a model, more than one clock, a net that nothing drives.
    """
    cells = [_Cell(name, cell) for name, cell in module["cells"].items()]
    of = {kind: [cell for cell in cells if cell.kind == kind] for kind in MODELLED}
    if len(of["EHXPLLL"]) != 1:
        raise NetlistNotModelled(f"{len(of['EHXPLLL'])} PLLs, must be one")
    (pll,) = of["EHXPLLL"]
    clock = pll.raw("CLKOP")[0]
    for cell in cells:
        cell.check(clock)
    used = {bit for cell in cells for port in cell.inputs for bit in cell.raw(port)}
    driven = {bit for cell in cells for port in cell.outputs for bit in cell.raw(port)}
    driven |= {
        bit for port in module["ports"].values() if port["direction"] == "input" for bit in port["bits"]
    }
    if loose := used - driven - CONSTANTS:
        raise NetlistNotModelled(f"nothing drives {len(loose)} nets, {next(iter(loose))} is one")
    fresh = itertools.count(1 + max(bit for bit in driven if isinstance(bit, int)))
    numbers = {words.tobytes(): number for number, words in placed.items()}
    groups: list[list[list[int]]] = [
        [row for kind in TABLES for cell in of[kind] for row in _tables(cell, fresh)],
        [_flip_flop(cell) for cell in of["TRELLIS_FF"]],
        [_lut_ram(cell) for cell in of["TRELLIS_DPR16X4"]],
        [_multiplier(cell) for cell in of["MULT18X18D"]],
        [_block_ram(cell, numbers) for cell in of["DP16KD"]],
    ]
    line = [module["ports"][pin]["bits"][0] for pin in pins]
    head = [next(fresh), *line, *pll.nets("LOCK"), *map(len, groups)]
    rows = [head, *(row for group in groups for row in group)]
    target.write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))


def write_contents(contents: Contents, folder: Path) -> None:
    """Contents of block RAMs at power-up, as ram<number>.hex."""
    for number, words in contents.items():
        (folder / f"ram{number}.hex").write_text("".join(f"{word:03x}\n" for word in words))


def build_simulator(cpp_sources: Sequence[Path], folder: Path) -> Path:
    """The shared library of a harness for a Verilated link_system, with any netlist in its place.

    Raises:
        BuildError: the compiler failed or took too long; carries the end of its log, which is in `folder`.
    """
    library, log = folder / "libgates.so", folder / "gates.log"
    command = [CXX, *FLAGS, f"-I{resource('sim/gates')}", *map(str, cpp_sources), "-o", str(library)]
    run_step("compilation of the gates' simulator", command, cwd=folder, log=log, timeout_s=TIMEOUT_S)
    return library


class _Cell:
    """One cell of Yosys' netlist."""

    def __init__(self, name: str, cell: Mapping[str, Any]) -> None:
        self.name, self.kind = name, str(cell["type"])
        self._connections, self._directions = cell["connections"], cell["port_directions"]
        # Yosys adds a blank to text that could be a number.
        self._parameters = {key: str(value).removesuffix(" ") for key, value in cell["parameters"].items()}

    def parameter(self, name: str, default: str) -> str:
        return self._parameters.get(name, default)

    def number(self, name: str, default: int = 0) -> int:
        """A parameter in binary; x is 0."""
        return int(self.parameter(name, f"{default:b}").replace("x", "0"), 2)

    def raw(self, port: str) -> Sequence[int | str]:
        """Nets and constants as Yosys writes them, the lowest first."""
        bits: Sequence[int | str] = self._connections.get(port, ())
        return bits

    def nets(self, *ports: str) -> list[int]:
        """Nets of ports, 0 and 1 for constants. nextpnr ties to 0 what is x."""
        bits = [bit for port in ports for bit in self.raw(port)]
        if any(not self.raw(port) for port in ports):
            raise NetlistNotModelled(f"{self.kind} {self.name}: {', '.join(ports)} not all connected")
        return [bit if isinstance(bit, int) else int(bit == "1") for bit in bits]

    @property
    def inputs(self) -> list[str]:
        return [port for port, direction in self._directions.items() if direction == "input"]

    @property
    def outputs(self) -> list[str]:
        return [port for port, direction in self._directions.items() if direction == "output"]

    def check(self, clock: int | str) -> None:
        """Raises NetlistNotModelled if the model of this kind is not all there is to it."""
        known = MODELLED.get(self.kind)
        if known is None:
            raise NetlistNotModelled(f"{self.kind} {self.name}: there is no model of this cell")
        if absent := known.keys() - self._parameters.keys() - OPTIONAL:
            raise NetlistNotModelled(f"{self.kind} {self.name}: has no {', '.join(sorted(absent))}")
        for key, value in self._parameters.items():
            allowed = known.get(key, set())
            if allowed is not ANY and value not in allowed:
                raise NetlistNotModelled(f"{self.kind} {self.name}: {key} = {value!r} is not modelled")
        clocks = CLOCK_PINS.get(self.kind, [])
        for port in {*self._connections, *clocks}:
            bits = self.raw(port)
            unused = port == "CLKB" and set(bits) | set(self.raw("CEB")) <= OFF
            if port in clocks and list(bits) != [clock] and not unused:
                raise NetlistNotModelled(f"{self.kind} {self.name}: {port} is not the PLL's clock")
            if port not in clocks and clock in bits:
                raise NetlistNotModelled(f"{self.kind} {self.name}: the clock at {port}, as data")
            if port in OFF_PINS.get(self.kind, ()) and not set(bits) <= OFF:
                raise NetlistNotModelled(f"{self.kind} {self.name}: {port} is not 0")


def _pins(name: str, count: int) -> list[str]:
    return [f"{name}{i}" for i in range(count)]


def _values(function: Callable[[Sequence[int]], int], inputs: int) -> int:
    """The table of a function of 0 and 1: bit i is its value where the inputs are the bits of i."""
    values = [function([index >> i & 1 for i in range(inputs)]) for index in range(1 << inputs)]
    return sum(value << index for index, value in enumerate(values))


def _look_up(values: int, inputs: Sequence[int]) -> int:
    return values >> sum(value << i for i, value in enumerate(inputs)) & 1


SELECT = _values(lambda v: v[1] if v[2] else v[0], 3)


@functools.cache
def _carry(init: int, cut: bool) -> tuple[int, int]:
    """Tables of half a CCU2C, of A, B, C, D and the carry: its sum, the next carry.

    A LUT's output is inverted by the carry; where it is 1 the carry passes, where it is 0 the next carry is
    what the lowest four bits of the LUT are for A and B. `cut` (INJECT1): from the carry, and from these.
    """
    total = _values(lambda v: _look_up(init, v[:4]) ^ (v[4] & (not cut)), 5)
    carried = _values(lambda v: v[4] if _look_up(init, v[:4]) else _look_up(init, v[:2]) & (not cut), 5)
    return total, carried


def _tables(cell: _Cell, fresh: Iterator[int]) -> Iterable[list[int]]:
    """Rows of gates::Table. fresh: nets that the netlist does not have."""
    if cell.kind == "LUT4":
        yield [cell.number("INIT"), *cell.nets("Z", "A", "B", "C", "D"), 0]
    elif cell.kind == "PFUMX":
        yield [SELECT, *cell.nets("Z", "BLUT", "ALUT", "C0"), 0, 0]
    elif cell.kind == "L6MUX21":
        yield [SELECT, *cell.nets("Z", "D0", "D1", "SD"), 0, 0]
    else:
        carry = cell.nets("CIN")
        for half, carry_out in ("0", [next(fresh)]), ("1", cell.nets("COUT")):
            cut = cell.parameter(f"INJECT1_{half}", "YES") == "YES"
            total, carried = _carry(cell.number(f"INIT{half}"), cut)
            inputs = [*cell.nets(*(f"{pin}{half}" for pin in "ABCD")), *carry]
            yield [total, *cell.nets(f"S{half}"), *inputs]
            yield [carried, *carry_out, *inputs]
            carry = carry_out


def _flip_flop(cell: _Cell) -> list[int]:
    mux = cell.parameter("CEMUX", "1")
    enable = [1] if mux == "1" else cell.nets("CE")
    value = int(cell.parameter("REGSET", "RESET") == "SET")
    asynchronous = int(cell.parameter("SRMODE", "LSR_OVER_CE") == "ASYNC")
    return [*cell.nets("DI"), *enable, *cell.nets("LSR", "Q"), int(mux != "INV"), value, asynchronous]


def _lut_ram(cell: _Cell) -> list[int]:
    return [*cell.nets("RAD", "WAD", "DI", "WRE", "DO"), cell.number("INITVAL")]


def _multiplier(cell: _Cell) -> list[int]:
    return cell.nets(*_pins("A", 18), *_pins("B", 18), "SIGNEDA", "SIGNEDB", *_pins("P", 36))


def _block_ram(cell: _Cell, numbers: Mapping[bytes, int]) -> list[int]:
    rows = [cell.number(name) for name in INITVALS]
    words = np.array(
        [row >> at & 0x1FF for row in rows for i in range(16) for at in (20 * i, 20 * i + 9)], np.uint16
    )
    try:
        number = numbers[words.tobytes()]
    except KeyError:
        raise NetlistNotModelled(f"{cell.kind} {cell.name}: no block RAM has its content") from None
    width_a, width_b = cell.number("DATA_WIDTH_A", 18), cell.number("DATA_WIDTH_B", 18)
    if (width_a == WIDEST) != (width_b == WIDEST):
        raise NetlistNotModelled(f"{cell.kind} {cell.name}: widths {width_a} and {width_b}")
    return [
        number,
        width_a,
        width_b,
        int(cell.parameter("WRITEMODE_A", "NORMAL") == "READBEFOREWRITE"),
        *cell.nets("CEA", "WEA", *_pins("ADA", 14), *_pins("DIA", 18), *_pins("DIB", 18)),
        *cell.nets("CEB", *_pins("ADB", 14), *_pins("DOA", 18), *_pins("DOB", 18)),
    ]
