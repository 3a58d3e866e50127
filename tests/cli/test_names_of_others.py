# SPDX-License-Identifier: Apache-2.0
"""Names in files of others, on a terminal, in a file system and in a shell."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import peritus
from peritus.boards import zynq
from peritus.bundle import Bundle
from peritus.cli import app
from peritus.ir.random_model import Dims, random_image, random_model
from peritus.schema import file_name, printable

TASK = "../[red]evil[/red] :skull: $(touch gone)"
MODEL = "[/]/../../a'b"
SOURCE = "a file \x1b[2J\x07"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    made = peritus.compile(random_model(Dims(layers=1, task_channels=(4,))), hw="nano")
    (task,) = made.tasks
    return replace(made, model=MODEL, provenance=SOURCE, tasks=(replace(task, name=TASK),))


@pytest.fixture
def file(bundle: Bundle, tmp_path: Path) -> Path:
    bundle.save(tmp_path / "m.bundle")
    Image.fromarray(random_image(Dims(layers=1))).save(tmp_path / "photo.png")
    return tmp_path / "m.bundle"


def test_a_terminal_shows_them_and_obeys_none(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(app, ["info", str(file), "--program"])
    assert shown.exit_code == 0, shown.output
    assert TASK in shown.output and MODEL in shown.output and "a file \\x1b[2J\\x07" in shown.output
    assert printable(shown.output) == shown.output
    refused = CliRunner().invoke(app, ["run", str(file), "--image", "x.png", "--task", "\x1b[2J"])
    assert refused.exit_code == 1 and printable(refused.output) == refused.output
    assert TASK in refused.output.replace("\n", "")


def test_maps_stay_in_their_folder(file: Path, tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    output = tmp_path / "a" / "maps"
    command = ["run", str(file), "--image", str(tmp_path / "photo.png"), "--task", TASK, "-o", str(output)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    written = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    name = file_name(TASK)
    maps = {f"{name}.npy", f"{name}.png", f"{name}_image.png"}
    assert {path.name for path in written} == maps | {"run.json", "report.html"}
    assert {path.parent for path in written} == {output}


def test_a_script_of_a_board_takes_them_as_text(bundle: Bundle, tmp_path: Path) -> None:
    import shlex

    script = zynq._RUN.format(bundle="m.bundle", task=shlex.quote(bundle.tasks[0].name), scene="scene.png")
    lines = script.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("task="))
    text = f'{lines[start]}\nprintf %s "$task"'
    shown = subprocess.run(
        ["bash", "-c", text], capture_output=True, text=True, timeout=10, cwd=tmp_path, check=True
    )
    assert shown.stdout == TASK and not list(tmp_path.iterdir())
