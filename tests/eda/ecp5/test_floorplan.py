# SPDX-License-Identifier: Apache-2.0
"""Floorplans: lanes from bits, sites from lanes, and what does not suit the netlist or the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from peritus.eda.board import load_board
from peritus.eda.ecp5.board import ecp5_settings
from peritus.eda.ecp5.floorplan import FloorplanError, Net, Strip, places, read_floorplan
from peritus.resources import resource


def netlist(bits: int, width: int) -> dict[str, Any]:
    """Multipliers m0, m1, ... with `width` bits each of net `x`, whose halves Yosys calls x[0] and x[1]."""
    cells = {
        f"m{i}": {
            "type": "MULT18X18D",
            "port_directions": {"A": "input", "P": "output"},
            "connections": {"A": list(range(i * width, (i + 1) * width)), "P": [1000 + i]},
        }
        for i in range(bits // width)
    }
    names = {
        "x[1]": {"bits": list(range(bits // 2, bits))},
        "x[0]": {"bits": list(range(bits // 2))},
        "p": {"bits": [1000]},
    }
    return {"cells": cells, "netnames": names}


def columns(found: dict[str, str]) -> list[int]:
    return [int(found[name].split("/")[0][1:]) for name in sorted(found, key=lambda name: int(name[1:]))]


def test_lanes_follow_the_bits() -> None:
    module = netlist(bits=64, width=8)
    found = places(module, (Strip("MULT18X18D", (10,), 4, (Net("x"),)),))
    assert found["m0"] == "X4/Y10/MULT18_0"
    assert len(set(found.values())) == 8
    assert columns(found) == [4, 5, 32, 35, 62, 63, 92, 96]  # sites 0, 13, 26, 39 of 52 begin the lanes
    other_way = places(module, (Strip("MULT18X18D", (10,), 4, (Net("x", reverse=True),)),))
    assert columns(other_way) == [92, 96, 62, 63, 32, 35, 4, 5]


def test_repeats_gather_what_is_far_apart() -> None:
    """Rows of a matrix, one after the other in the net: the same column of all rows is one lane."""
    found = places(netlist(bits=64, width=8), (Strip("MULT18X18D", (34, 58), 4, (Net("x", repeats=2),)),))
    assert columns(found) == [4, 32, 62, 92, 5, 35, 63, 96]
    assert {site.split("/")[1] for site in found.values()} == {"Y34"}, "the first row has room"
    wider = netlist(bits=72, width=9)  # registers of one bit more: the same places
    assert places(wider, (Strip("MULT18X18D", (34, 58), 4, (Net("x", repeats=2),)),)) == found


def test_repeats_are_equal_parts_of_the_net() -> None:
    with pytest.raises(FloorplanError, match="net x: repeats = 3 does not divide its 64 bits"):
        places(netlist(bits=64, width=8), (Strip("MULT18X18D", (34,), 4, (Net("x", repeats=3),)),))
    for wrong in (0, -1, 2.0):
        with pytest.raises(FloorplanError, match=f"repeats = {wrong}, must be an integer, 1 or more"):
            Net("x", repeats=wrong)  # type: ignore[arg-type]


def test_rows_are_filled_in_order_and_cells_placed_once() -> None:
    strips = (
        Strip("MULT18X18D", (34, 58), 52, (Net("x", repeats=8),)),
        Strip("MULT18X18D", (10,), 1, (Net("x"),)),
    )
    with pytest.raises(FloorplanError, match=r"lane 0: 8 MULT18X18D, at most 2"):
        places(netlist(bits=64, width=8), strips)
    with pytest.raises(FloorplanError, match="net x feeds no MULT18X18D"):
        places(netlist(bits=16, width=8), strips)  # the first strip has them all


def test_what_the_device_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(
        FloorplanError, match=r"rows = \[11\], MULT18X18D has the rows \[10, 34, 58\], each once"
    ):
        Strip("MULT18X18D", (11,), 1, (Net("x"),))
    with pytest.raises(FloorplanError, match="cell = 'LUT4', must be one of"):
        Strip("LUT4", (10,), 1, (Net("x"),))
    with pytest.raises(FloorplanError, match=r"lanes = 53, must be 1 \.\. 52"):
        Strip("DP16KD", (70,), 53, (Net("x"),))
    with pytest.raises(FloorplanError, match="net y feeds no MULT18X18D"):
        places(netlist(bits=16, width=8), (Strip("MULT18X18D", (10,), 1, (Net("y"),)),))
    for text in ("strip = 1", "[[strip]]\ncell = 'DP16KD'", "[[strip"):
        (tmp_path / "bad.toml").write_text(text)
        with pytest.raises(FloorplanError, match=r"bad\.toml is no floorplan"):
            read_floorplan(tmp_path / "bad.toml")


def test_the_board_has_a_floorplan() -> None:
    settings = ecp5_settings(load_board("ulx3s"))
    strips = read_floorplan(resource(f"boards/ulx3s/{settings.floorplan}"))
    assert {strip.cell for strip in strips} == {"MULT18X18D", "DP16KD"}


def test_constants_are_no_bits_of_a_net() -> None:
    module = netlist(bits=16, width=8)
    module["netnames"]["x[0]"]["bits"][0] = "0"
    module["cells"]["other"] = {
        "type": "MULT18X18D",
        "port_directions": {"A": "input"},
        "connections": {"A": ["0", "x"]},
    }
    assert set(places(module, (Strip("MULT18X18D", (10,), 1, (Net("x"),)),))) == {"m0", "m1"}


def test_strips_that_share_a_row_share_its_sites() -> None:
    module = netlist(bits=32, width=8)
    module["netnames"] = {"x": {"bits": list(range(16))}, "y": {"bits": list(range(16, 32))}}
    strips = tuple(Strip("MULT18X18D", (10,), 1, (Net(name),)) for name in ("x", "y"))
    assert columns(places(module, strips)) == [4, 5, 8, 9]
