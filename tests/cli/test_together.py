# SPDX-License-Identifier: Apache-2.0
"""All tasks of an image in one job, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from peritus.cli import app
from peritus.demo import SCENE

RUNNER = CliRunner()


def ask(*words: object) -> str:
    result = RUNNER.invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


def test_from_compiling_to_maps(tmp_path: Path) -> None:
    bundle, out = tmp_path / "both.bundle", tmp_path / "out"
    ask("compile", "m3vit_micro", "--hw", "nano", "--together", "-o", bundle)
    assert "task together" in ask("info", bundle)
    image = ("--image", SCENE, "--resize", "--device", "hls", "--check", "--json")
    ask("run", bundle, "--task", "together", *image, tmp_path / "both.json", "-o", out)
    both = json.loads((tmp_path / "both.json").read_text())
    assert [part["task"] for part in both["parts"]] == ["semseg", "depth"]
    assert (out / "report.html").is_file()
    assert Image.open(out / "together.png").width == 2 * Image.open(out / "semseg.png").width
    for part in both["parts"]:
        task = part["task"]
        ask("run", bundle, "--task", task, *image, tmp_path / "one.json", "-o", tmp_path / task)
        alone = json.loads((tmp_path / "one.json").read_text())
        assert part["bit_exact"] and alone["bit_exact"]
        assert part["outputs"][task]["sha256"] == alone["outputs"][task]["sha256"]
        assert np.array_equal(np.load(out / f"{task}.npy"), np.load(tmp_path / task / f"{task}.npy"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--features",), "no features"),
        ((), None),
    ],
)
def test_features(tmp_path: Path, words: tuple[str, ...], said: str | None) -> None:
    bundle = tmp_path / "both.bundle"
    ask("compile", "m3vit_micro", "--hw", "nano", "--together", "-o", bundle)
    result = RUNNER.invoke(
        app, ["run", str(bundle), "--image", str(SCENE), "--resize", "--task", "together", *words]
    )
    assert (result.exit_code == 0) == (said is None)
    assert said is None or said in result.output
