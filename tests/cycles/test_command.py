# SPDX-License-Identifier: Apache-2.0
"""peritus cycles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import peritus
from peritus.cli import app


def invoked(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["cycles", *arguments], env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    return result.output


def test_causes_and_layers(tmp_path: Path) -> None:
    target = tmp_path / "cycles.json"
    output = invoked("m3vit_micro", "--hw", "nano", "--task", "depth", "--json", str(target))
    record = json.loads(target.read_text())
    cycles = record["cycles"]["cycle model"]
    assert sum(record["causes"]["cycle model"].values()) == cycles
    assert sum(layer["cycles"] for layer in record["layers"]) == cycles
    assert "array busy" in output and "blocks.0.attn" in output and f"{cycles:,}" in output


def test_a_bundle_and_even_routing(tmp_path: Path) -> None:
    path = tmp_path / "micro.bundle"
    peritus.compile(peritus.load_model("m3vit_micro"), hw="nano").save(path)
    target = tmp_path / "cycles.json"
    invoked(str(path), "--even", "--features", "--json", str(target))
    assert json.loads(target.read_text())["hw"] == "nano"


@pytest.mark.sim
def test_beside_the_rtl(tmp_path: Path) -> None:
    target = tmp_path / "cycles.json"
    invoked("m3vit_micro", "--hw", "nano", "--rtl", "--json", str(target))
    cycles = json.loads(target.read_text())["cycles"]
    assert abs(cycles["cycle model"] - cycles["RTL"]) <= 50


def test_slower_ports_are_laid_beside(tmp_path: Path) -> None:
    """A column for each; the slowest port bounds the stream."""
    target = tmp_path / "cycles.json"
    slow = ("--ports", "10.5,10.5,10.5,10.5", "--ports", "12,12,12,6")
    output = invoked("m3vit_micro", "--hw", "zcu104", "--even", *slow, "--json", str(target))
    plain, equal, one = json.loads(target.read_text())["cycles"].values()
    assert plain <= equal < one
    assert f"{equal:,}" in output and f"{one / plain:.1%}" in output


@pytest.mark.parametrize("ports", ["1,2", "1,2,3,x", "1,2,3,0"])
def test_ports_that_there_are_not(ports: str) -> None:
    result = CliRunner().invoke(app, ["cycles", "m3vit_micro", "--hw", "zcu104", "--ports", ports])
    assert result.exit_code == 1
    assert "zcu104 has 4" in result.output or "above 0" in result.output


def test_an_unknown_task_is_one_line() -> None:
    result = CliRunner().invoke(app, ["cycles", "m3vit_micro", "--hw", "nano", "--task", "dreams"])
    assert result.exit_code == 1
