# SPDX-License-Identifier: Apache-2.0
"""`peritus train`, `evaluate` and `study` end to end, and what they say to bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from peritus.cli import app

pytestmark = pytest.mark.models


def invoke(*arguments: object, expect: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == expect, result.output
    return " ".join(result.output.split())


def test_train_then_evaluate(tmp_path: Path) -> None:
    run, cache = tmp_path / "run", ("--cache", tmp_path / "cache")
    small = ("--images", 64, "--validation", 8, "--batch", 4, *cache)
    invoke("train", "m3vit_micro", "--run", run, *small, "--steps", 2, "--qat-steps", 1)
    for stage in ("float", "qat8"):
        assert {"state.safetensors", "metrics.jsonl", "curves.png"} <= {
            p.name for p in (run / stage).iterdir()
        }
    weights = run / "float" / "float.safetensors"
    scores = {}
    for name, file in (("float", weights), ("integer", run / "qat8" / "m3vit_micro.safetensors")):
        target = tmp_path / f"{name}.json"
        invoke("evaluate", file, "--split", "val", "--count", 4, "--workers", 1, *cache, "--json", target)
        scores[name] = json.loads(target.read_text())
        assert scores[name]["arithmetic"] == name
    assert scores["integer"]["depth_rmse"] == pytest.approx(scores["float"]["depth_rmse"], rel=0.1)
    again = ("train", "m3vit_tiny", "--run", run / "x", *small, "--weights", weights)
    assert "without --qat-steps leaves nothing to do" in invoke(*again, expect=1)
    message = invoke(*again, "--qat-steps", 1, expect=1)
    assert "of another architecture: image_height = 32, expected 128" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "nosuch", "--run", "r"), "unknown model 'nosuch'; known: m3vit_tiny"),
        (("train", "m3vit_micro", "--run", "r", "--data", "imagenet"), "unknown data set 'imagenet'"),
        (("train", "m3vit_micro", "--run", "r", "--data", "cityscapes:/nowhere"), "/nowhere does not exist"),
        (("train", "m3vit_micro", "--run", "r", "--device", "tpu"), "device 'tpu', must be cpu or cuda"),
        (("evaluate", "nosuch"), "unknown model 'nosuch'"),
        (("study", "m3vit_micro", "--weights", "/nowhere", "--count", "1"), "/nowhere"),
    ],
)
def test_bad_input_is_named(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    cache = ("--cache", str(tmp_path)) if "study" in arguments else ()
    assert message in invoke(*arguments, *cache, expect=1)
