# SPDX-License-Identifier: Apache-2.0
"""What tools said of a configuration, on the page; energy by Vivado's power in place of the estimate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from peritus.cli import app
from tests.pages.runs import bundle_file, invoked
from tests.pages.test_page import embedded

POWER = {"total_w": 2.5, "dynamic_w": 1.9, "static_w": 0.6, "confidence": "Medium"}
BUILD = {"hw": "nano", "built": True, "utilization": {"dsp": {"used": 40, "available": 100}}, "power": POWER}
ESTIMATE = {"hw": "nano", "estimate": True, "total": {"LUT": 11.5}, "device": {"name": "X", "LUT": 100}}
TIMING = {"hw": "nano", "estimate": True, "worst_ns": 5.0, "paths": []}


def written(folder: Path, name: str, value: Any) -> Path:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_estimates(tmp_path: Path) -> None:
    files = [written(tmp_path, "estimate.json", ESTIMATE), written(tmp_path, "timing.json", TIMING)]
    options = [option for file in files for option in ("--build", file)]
    page = tmp_path / "page.html"
    invoked("report", bundle_file(tmp_path), "--task", "depth", "-o", page, *options)
    (subject,) = embedded(page.read_text())["subjects"]
    assert subject["resources"]["rows"] == [["LUT", 11.5, 100]] and subject["worst_ns"] == 5.0
    assert "200 MHz" in page.read_text() and "Energy, an estimate" in page.read_text()


def test_a_build_of_vivado(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    build = written(tmp_path, "build.json", BUILD)
    invoked("report", bundle_file(tmp_path), "--task", "depth", "-o", page, "--build", build)
    text = page.read_text()
    (subject,) = embedded(text)["subjects"]
    millijoules = 2.5 * subject["frames"][0]["cycles"] / 50 / 1e3
    assert f"{millijoules:.2f} mJ a frame" in text and "confidence is Medium" in text
    assert "Energy, an estimate" not in text


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({**BUILD, "hw": "zcu104"}, "not of the configuration 'nano'"),
        ({**BUILD, "power": {"total_w": "much"}}, "power"),
        ({**TIMING, "worst_ns": True}, "worst_ns"),
        ({"hw": "nano", "built": False}, "is missing"),
        ("no json", "no JSON"),
    ],
)
def test_files_of_others(tmp_path: Path, value: Any, said: str) -> None:
    file = written(tmp_path, "build.json", value)
    command = ["report", str(bundle_file(tmp_path)), "-o", str(tmp_path / "page.html"), "--build", str(file)]
    result = CliRunner().invoke(app, command, env={"COLUMNS": "400"})
    assert result.exit_code == 1 and said in result.output, result.output
    assert not (tmp_path / "page.html").exists()
