# SPDX-License-Identifier: Apache-2.0
"""`peritus check` and the fixture: what a user's own tests say of a network."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from peritus import ir
from peritus.check import CheckError, CheckFailed, check
from peritus.cli import app
from peritus.image import ImageError
from peritus.ir.random_model import Dims, random_model

pytest_plugins = ["pytester"]
SMALL = Dims(height=16, width=32, layers=1, d=16, heads=1, hidden=16, task_channels=(2, 1))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    random_model(SMALL).save(path)
    return path


@pytest.mark.sim
def test_what_holds(model: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((40, 70, 3), np.uint8)).save(tmp_path / "photo.png")
    picture = np.full((16, 32, 3), 200, np.uint8)
    reports = check(model, hw="nano", images=[tmp_path / "photo.png", picture], max_cycles=20_000)
    assert [report.task for report in reports] == ["task0", "task1"]
    assert all(1000 < report.cycles <= 20_000 and report.snr_db is None for report in reports)
    with pytest.raises(CheckFailed, match=r"task task0: [0-9,]+ cycles, at most 1,000 were asked"):
        check(model, hw="nano", max_cycles=1000)


def test_a_wrong_integer_fails(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph is asked, not the device about itself."""
    wrong = ir.execute(random_model(SMALL).graph, np.zeros((16, 32, 3), np.uint8), "task0")
    monkeypatch.setattr("peritus.check.execute", lambda *_: wrong)
    with pytest.raises(CheckFailed, match="task task0, image 0: iss differs from the integer graph"):
        check(model, hw="nano", device="iss")


@pytest.mark.models
def test_far_from_the_float_network() -> None:
    weights = Path("quant_models/trained/m3vit_micro.float16.safetensors")
    weights = Path(__file__).resolve().parent.parent / weights
    reports = check("m3vit_micro", hw="nano", device="iss", float_weights=weights, min_snr=10)
    assert all(report.snr_db is not None and 10 < report.snr_db < 80 for report in reports)
    with pytest.raises(CheckFailed, match=r"maps of [0-9.]+ dB, at least 90 dB were asked"):
        check("m3vit_micro", hw="nano", device="iss", float_weights=weights, min_snr=90)


def test_what_cannot_be_answered(model: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="give its weights"):
        check(model, hw="nano", device="iss", min_snr=20)
    with pytest.raises(CheckError, match="counts no cycles"):
        check(model, hw="nano", device="iss", max_cycles=20)
    wrong: Any = "10"
    with pytest.raises(CheckError, match="max_cycles is '10', expected a number"):
        check(model, hw="nano", max_cycles=wrong)
    with pytest.raises(CheckError, match="min_snr is no number"):
        check(model, hw="nano", min_snr=math.nan)
    with pytest.raises(CheckError, match=r"images is 'a\.png', expected a list: \['a\.png'\]"):
        check(model, hw="nano", images="a.png")
    with pytest.raises(ImageError, match="shape"):
        check(model, hw="nano", device="iss", images=[np.zeros((3, 3, 3), np.uint8)])


def test_the_command(model: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = ["check", str(model), "--hw", "nano", "--device", "iss"]
    result = CliRunner().invoke(app, [*command, "--json", str(report)])
    assert result.exit_code == 0, result.output
    assert [entry["task"] for entry in json.loads(report.read_text())] == ["task0", "task1"]
    result = CliRunner().invoke(app, [*command, "--min-snr", "20"])
    assert result.exit_code == 1 and "give its weights" in result.output


def test_the_fixture(model: Path, pytester: pytest.Pytester) -> None:
    """As in a repository of somebody's own."""
    pytester.makepyfile(
        f"""
        def test_fits(peritus_check):
            assert peritus_check({str(model)!r}, hw="nano", device="iss")[0].task == "task0"

        def test_too_far(peritus_check):
            peritus_check({str(model)!r}, hw="nano", device="iss", max_cycles=1)
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*counts no cycles*"])
