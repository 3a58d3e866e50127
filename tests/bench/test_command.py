# SPDX-License-Identifier: Apache-2.0
"""peritus bench."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from peritus.bench import measure
from peritus.bench.processor import processor_name
from peritus.cli import app


@pytest.mark.sim
def test_tables_and_record(tmp_path: Path) -> None:
    target = tmp_path / "bench.json"
    result = CliRunner().invoke(app, ["bench", "--hw", "nano", "--no-processor", "--json", str(target)])
    assert result.exit_code == 0, result.output
    record = json.loads(target.read_text())
    works = ["semseg", "depth", "semseg + depth, one job", "4 × semseg"]
    assert [row["work"] for row in record["rtl"]] == works
    assert all(row["bit_exact"] for row in record["rtl"])
    for row in record["rtl"]:
        assert f"| {row['cycles']:,} |" in result.output
    assert "CoQMoE" in result.output


@pytest.mark.sim
def test_one_wrong_integer_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "same_result", lambda first, second: False)
    result = CliRunner().invoke(app, ["bench", "--hw", "nano", "--no-processor"])
    assert result.exit_code == 1 and "not bit-exact: semseg" in result.output and "| NO |" in result.output


def test_what_is_not_measured_is_said() -> None:
    result = CliRunner().invoke(app, ["bench", "--hw", "zcu999"])
    assert result.exit_code == 1 and "m3vit_micro on nano" in " ".join(result.output.split())


def test_the_processor_has_a_name() -> None:
    assert processor_name()
