# SPDX-License-Identifier: Apache-2.0
"""The comparison with nextpnr, on a netlist and a report by hand."""

import math
from typing import Any

import pytest

from peritus.eda.timing.against_nextpnr import FITTED, TESTED, Placed, compare, fit, wires
from peritus.eda.timing.library import Library

ECP5 = Library.load("ecp5_6")


def cell(kind: str, outputs: str, **pins: int) -> dict[str, Any]:
    return {
        "type": kind,
        "attributes": {},
        "parameters": {},
        "port_directions": {pin: "output" if pin in outputs else "input" for pin in pins},
        "connections": {pin: [bit] for pin, bit in pins.items()},
    }


def placed(wire_ns: float) -> Placed:
    """from -> LUT -> two registers, as nextpnr would report it; a PLL, which has no delays."""
    cells = {
        "from": cell("TRELLIS_FF", "Q", CLK=1, DI=50, Q=10),
        "lut": cell("LUT4", "Z", A=10, Z=11),
        "to": cell("TRELLIS_FF", "Q", CLK=1, DI=11, Q=12),
        "too": cell("TRELLIS_FF", "Q", CLK=1, DI=11, Q=13),
        "pll": cell("EHXPLLL", "O", CLKI=2, O=1),
    }
    names = {"word": {"hide_name": 0, "bits": [9, 10]}, "wire": {"hide_name": 0, "bits": [11]}}
    module = {"ports": {}, "cells": cells, "netnames": names}

    def step(kind: str, delay: float, to: str, net: str = "") -> dict[str, Any]:
        return {"type": kind, "delay": delay, "net": net, "to": {"cell": to}}

    path = [
        step("clk-to-q", 0.525, "from"),
        step("routing", wire_ns, "lut", "word[1]"),
        step("logic", 0.236, "lut"),
        step("routing", wire_ns + 1, "to", "wire"),
        step("setup", 0.0, "to"),
    ]
    slow = [step("clk-to-q", 99.0, "from")]
    report = {
        "critical_paths": [
            {"from": "posedge clk", "to": "posedge clk", "path": path},
            {"from": "posedge clk", "to": "<async>", "path": slow},
        ]
    }
    return Placed("top", {"modules": {"top": module}}, report)


def test_paths_between_clock_edges_are_compared() -> None:
    found = compare(placed(0.5))
    ours = 0.525 + ECP5.wire.delay(2) + 0.236 + ECP5.wire.delay(3)
    assert found.placed_ns == pytest.approx(0.525 + 0.5 + 0.236 + 1.5)
    assert found.estimated_ns == pytest.approx(found.same_end_ns) == pytest.approx(ours)
    assert found.error == pytest.approx(ours / found.placed_ns - 1)


def test_wires_with_the_area_of_their_nets() -> None:
    """A net of two cells and one of three; names with and without an index."""
    assert list(wires(placed(0.5))) == [(math.sqrt(2), 0.5), (math.sqrt(3), 1.5)]
    base, per_slice, count = fit([placed(0.5), placed(0.7)])
    assert count == 4
    assert base + per_slice * math.sqrt(2) == pytest.approx(0.6)
    assert base + per_slice * math.sqrt(3) == pytest.approx(1.6)


def test_nothing_is_tested_on_what_it_was_fitted_to() -> None:
    assert not set(FITTED) & set(TESTED)
