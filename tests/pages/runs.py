# SPDX-License-Identifier: Apache-2.0
"""Runs and pages of m3vit_micro on nano, small enough for every test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

import peritus
from peritus.cli import app
from peritus.demo import SCENE


def bundle_file(folder: Path, model: str = "m3vit_micro", hw: str = "nano") -> Path:
    path = folder / f"{model}.bundle"
    peritus.compile(peritus.load_model(model), hw=hw).save(path)
    return path


def invoked(*arguments: object) -> str:
    """Output of a command that succeeds."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def run_in(folder: Path, device: str = "iss", *more: object) -> Path:
    """The folder of a run with its record and page."""
    output = folder / f"run_{device}"
    invoked(
        "run", bundle_file(folder), "--image", SCENE, "--resize", "--task", "depth",
        "--device", device, "-o", output, *more,
    )  # fmt: skip
    return output


def changed(folder: Path, **values: Any) -> None:
    """Replace fields of a run's record."""
    path = folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
