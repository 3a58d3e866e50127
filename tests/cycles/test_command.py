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


def test_an_unknown_task_is_one_line() -> None:
    result = CliRunner().invoke(app, ["cycles", "m3vit_micro", "--hw", "nano", "--task", "dreams"])
    assert result.exit_code == 1
