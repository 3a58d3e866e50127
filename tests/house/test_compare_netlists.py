# SPDX-License-Identifier: Apache-2.0
"""tools/compare_netlists.py sees through names, and nothing else."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from peritus.resources import resource


def counter() -> dict[str, Any]:
    """Two look-up tables and two flip-flops that feed each other, and two flip-flops that look the same."""

    def lut(init: str, a: int, b: int, z: int) -> dict[str, Any]:
        return {"type": "LUT4", "parameters": {"INIT": init}, "connections": {"A": [a], "B": [b], "Z": [z]}}

    def flop(d: int, q: int) -> dict[str, Any]:
        return {"type": "TRELLIS_FF", "parameters": {}, "connections": {"CLK": [2], "DI": [d], "Q": [q]}}

    return {
        "attributes": {"top": "1"},
        "ports": {
            "clk_i": {"direction": "input", "bits": [2]},
            "count_o": {"direction": "output", "bits": [3, 4, "0"]},
        },
        "cells": {
            "low": lut("0101", 3, 4, 5),
            "high": lut("0110", 3, 4, 6),
            "low_q": flop(5, 3),
            "high_q": flop(6, 4),
            "twin_a": flop(3, 7),
            "twin_b": flop(3, 8),
        },
    }


def renamed(module: dict[str, Any]) -> dict[str, Any]:
    """Other names for cells and other numbers for wires, in another order."""
    changed = copy.deepcopy(module)
    for item in changed["ports"].values():
        item["bits"] = [bit if isinstance(bit, str) else 100 - bit for bit in item["bits"]]
    for cell in changed["cells"].values():
        cell["connections"] = {
            port: [100 - bit for bit in bits] for port, bits in reversed(cell["connections"].items())
        }
    changed["cells"] = {f"u_{name}": cell for name, cell in reversed(changed["cells"].items())}
    return changed


def same(tmp_path: Path, before: dict[str, Any], after: dict[str, Any]) -> bool:
    paths = []
    for name, module in (("before.json", before), ("after.json", after)):
        paths.append(tmp_path / name)
        paths[-1].write_text(json.dumps({"modules": {"counter": module}}))
    command = [sys.executable, str(resource("tools/compare_netlists.py")), *map(str, paths)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ("the same circuit" in run.stdout) == (run.returncode == 0), run.stderr
    assert run.returncode in (0, 1) and "TRELLIS_FF" in run.stdout, run.stderr
    return run.returncode == 0


def test_renamed_is_the_same(tmp_path: Path) -> None:
    assert same(tmp_path, counter(), renamed(counter()))


@pytest.mark.parametrize("change", ["parameter", "connection", "pins", "cell", "type", "port", "constant"])
def test_changed_is_different(tmp_path: Path, change: str) -> None:
    changed = copy.deepcopy(counter())
    cells = changed["cells"]
    if change == "parameter":
        cells["high"]["parameters"]["INIT"] = "1001"
    elif change == "connection":
        cells["high_q"]["connections"]["DI"] = [5]
    elif change == "pins":
        cells["high"]["connections"] |= {"A": [4], "B": [3]}
    elif change == "cell":
        del cells["twin_b"]
    elif change == "type":
        cells["twin_b"]["type"] = "LATCH"
    elif change == "port":
        changed["ports"]["count_o"]["bits"] = [4, 3, "0"]
    else:
        changed["ports"]["count_o"]["bits"] = [3, 4, "1"]
    assert not same(tmp_path, counter(), renamed(changed))
