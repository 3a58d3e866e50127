# SPDX-License-Identifier: Apache-2.0
"""docs/configurations.md: from one file and two commands to a bit-exact frame on the RTL."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from peritus.arch.config import load_config
from peritus.cli import app


def page(repository: Path, language: str) -> str:
    text = (repository / "docs" / "configurations.md").read_text()
    (block,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return str(block)


@pytest.mark.sim
def test_one_file_and_two_commands(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mini.toml").write_text(page(repository, "toml"))
    (tmp_path / "sw").symlink_to(repository / "sw")  # the page's commands are typed in a checkout
    commands = [shlex.split(line) for line in page(repository, "sh").splitlines()]
    assert [command[:2] for command in commands] == [["peritus", "compile"], ["peritus", "run"]]
    for command in commands:
        result = CliRunner().invoke(app, [*command[1:], "--json", "record.json"])
        assert result.exit_code == 0, result.output
    record = json.loads(Path("record.json").read_text())
    assert record["hw"] == "mini"
    assert record["bit_exact"] is True
    assert record["cycles"] > 0


def test_the_page_describes_a_configuration_that_is_not_shipped(repository: Path, tmp_path: Path) -> None:
    file = tmp_path / "mini.toml"
    file.write_text(page(repository, "toml"))
    mini, nano = load_config(file), load_config("nano")
    assert mini.table() == {**nano.table(), "pn": 2 * nano.pn}
    assert mini.hash64 != nano.hash64
