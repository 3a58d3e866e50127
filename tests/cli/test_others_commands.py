# SPDX-License-Identifier: Apache-2.0
"""Commands that other distributions add by the entry point group `peritus.commands`."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

from peritus import cli

MODULE = '''
def greet(name: str) -> None:
    """Say hello."""
    print(f"hello {name}")
'''


@pytest.fixture
def entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "somebodys.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("raise RuntimeError('not today')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = [
        EntryPoint("greet", "somebodys:greet", cli.COMMANDS),
        EntryPoint("fails", "broken:command", cli.COMMANDS),
        EntryPoint("run", "somebodys:greet", cli.COMMANDS),  # there is a run already
    ]
    monkeypatch.setattr(cli, "entry_points", lambda group: found if group == cli.COMMANDS else [])


@pytest.mark.usefixtures("entries")
def test_they_are_commands_like_our_own() -> None:
    app = cli.make_app()
    result = CliRunner().invoke(app, ["greet", "you"])
    assert (result.exit_code, result.output) == (0, "hello you\n")
    assert "Run one image through a bundle" in CliRunner().invoke(app, ["run", "--help"]).output


@pytest.mark.usefixtures("entries")
def test_one_that_cannot_be_loaded_says_why_and_harms_no_other() -> None:
    app = cli.make_app()
    listed = CliRunner().invoke(app, ["--help"]).output
    assert "greet" in listed and "fails" in listed and "compile" in listed
    result = CliRunner().invoke(app, ["fails"])
    assert result.exit_code == 1
    assert "'fails' (broken:command) cannot be loaded: RuntimeError: not today" in " ".join(
        result.output.split()
    )


def test_listing_the_commands_imports_no_framework() -> None:
    code = "import sys, peritus.cli; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = {name.split(".")[0] for name in run.stdout.split()}
    assert "quant_models" in loaded  # its commands are there
    assert not loaded & {"torch", "brevitas", "onnx", "qonnx", "pynq"}
