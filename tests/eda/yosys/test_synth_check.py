# SPDX-License-Identifier: Apache-2.0
"""The synthesis check finds what it must find; area, depth and memories of designs of known size."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from peritus.eda.errors import BuildError
from peritus.eda.yosys.netlist import NetlistError, analyse
from peritus.eda.yosys.synth import synthesize
from peritus.eda.yosys.synth_report import problems, show

DESIGNS = Path(__file__).parent / "designs"
TIMEOUT_S = 300.0


def check(design: str, cache: Path) -> dict[str, Any]:
    return synthesize([DESIGNS / f"{design}.sv"], design, cache_dir=cache, timeout_s=TIMEOUT_S)


@pytest.mark.synth
@pytest.mark.parametrize(
    ("design", "message"),
    [
        ("latch", r"[Ll]atch"),
        ("loop", r"[Ll]oop|problems in 'check -assert'"),
        ("loop_across", r"combinational loop through \d+ cells"),
        ("two_drivers", r"driver|problems in 'check -assert'"),
    ],
)
def test_bad_structures_are_refused(design: str, message: str, tmp_path: Path) -> None:
    with pytest.raises((BuildError, NetlistError), match=message):
        check(design, tmp_path)


@pytest.mark.synth
def test_depth_and_area_cross_blocks(tmp_path: Path) -> None:
    report = check("depth", tmp_path)
    instances = {entry["path"]: entry for entry in report["instances"]}
    assert instances.keys() == {"", "u_first", "u_second"}
    assert instances["u_first"]["module"] == "adder"
    assert instances["u_first"]["own"]["CCU2C"] == 8  # two bits each
    top = instances[""]
    assert (top["own"]["CCU2C"], top["total"]["CCU2C"]) == (0, 16)
    assert (top["own"]["TRELLIS_FF"], top["total"]["TRELLIS_FF"]) == (64, 64)
    # One level for each adder: both lie in other blocks than the path's ends.
    assert top["deepest"] == {
        "levels": 2,
        "start": "x_q",
        "end": "sum_o",
        "through": ["", "u_first", "u_second", ""],
    }
    assert report["paths"][0] == top["deepest"]
    assert problems(report, max_levels=2) == []
    assert problems(report, max_levels=1) == ["2 levels of logic from x_q to sum_o"]
    top["total"]["MULT18X18D"] = 157
    assert problems(report, max_levels=2) == ["157 MULT18X18D used, the LFE5U-85F has 156"]
    assert problems(report, max_levels=2, must_fit=False) == []


@pytest.mark.synth
def test_memories_are_what_they_ask_for(tmp_path: Path) -> None:
    report = check("memories", tmp_path)
    found = {memory["instance"]: memory for memory in report["memories"]}
    shape = {name: (memory["words"], memory["width"]) for name, memory in found.items()}
    assert shape == {"u_block": (512, 36), "u_small": (16, 4), "u_reset": (8, 2)}
    assert {name: memory["kind"] for name, memory in found.items()} == {
        "u_block": "block",
        "u_small": "distributed",
        "u_reset": "registers",  # a reset of all words makes a RAM impossible
    }
    assert problems(report, max_levels=99) == ["u_reset: 8 x 2 bits should be RAM and is registers"]
    console = Console(record=True, width=160)
    show(report, console, title="memories", tree=1, paths=3)
    assert "u_block" in console.export_text()


@pytest.mark.synth
def test_report_comes_from_the_cache(tmp_path: Path) -> None:
    first = check("depth", tmp_path)
    passes: list[str] = []
    sources = [DESIGNS / "depth.sv"]
    second = synthesize(sources, "depth", cache_dir=tmp_path, timeout_s=TIMEOUT_S, progress=passes.append)
    assert second == first
    assert not passes, "an unchanged design was synthesized again"


def lut(inputs: list[int], output: int) -> dict[str, object]:
    return {
        "type": "LUT4",
        "parameters": {},
        "attributes": {},
        "port_directions": {"A": "input", "Z": "output"},
        "connections": {"A": inputs, "Z": [output]},
    }


def netlist(**cells: dict[str, object]) -> dict[str, object]:
    return {"modules": {"top": {"cells": cells, "ports": {}, "netnames": {}}}}


def test_mapped_loop_is_found() -> None:
    with pytest.raises(NetlistError, match="loop through 2 cells"):
        analyse(netlist(a=lut([2], 3), b=lut([3], 2)), "top")


def test_unknown_cell_is_named() -> None:
    with pytest.raises(NetlistError, match="MYSTERY"):
        analyse(netlist(a={**lut([2], 3), "type": "MYSTERY"}), "top")
