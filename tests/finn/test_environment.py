# SPDX-License-Identifier: Apache-2.0
"""FINN missing or of another version: said at once, with what to do. Runs without FINN."""

from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import NoReturn

import pytest

from peritus.finn import environment
from peritus.finn.__main__ import main
from peritus.finn.errors import FinnMissing


@pytest.mark.without_finn
def test_finn_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> NoReturn:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(environment, "version", absent)
    with pytest.raises(FinnMissing, match=r"finn-plus 1\.6\.1 is not installed: `make test-finn`"):
        environment.require()


@pytest.mark.without_finn
def test_finn_is_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "version", lambda name: "1.7.0")
    with pytest.raises(FinnMissing, match=r"finn-plus is 1\.7\.0, this works with 1\.6\.1"):
        environment.require()


@pytest.mark.without_finn
def test_the_command_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "version", lambda name: "1.7.0")
    file = tmp_path / "build.yml"
    file.write_text("")
    monkeypatch.setattr("sys.argv", ["peritus.finn", str(file), str(file)])
    assert main() == 1
    assert "finn-plus is 1.7.0" in capsys.readouterr().err


@pytest.mark.without_finn
def test_the_lock_file_has_that_version(repository: Path) -> None:
    locked = (repository / "requirements" / "finn_plus.txt").read_text().splitlines()
    assert f"{environment.PACKAGE}=={environment.VERSION}" in locked
