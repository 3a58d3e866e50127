# SPDX-License-Identifier: Apache-2.0
"""Nothing advises to install, from an index, a package of our name: whose that is, nobody can know."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from peritus import resources

# From a folder of one's own it is ours.
ADVICE = re.compile(r"pip install (?![^\n`]*--no-index)[^\n`]*?(?<![\w/.-])peritus\b(?!/)")
HINT = re.compile(r"""(?:how_to_install\(|package_version\([\w"' -]+, )["'](\w+)["']""")


def texts(repository: Path) -> dict[str, str]:
    listing = subprocess.run(
        ["git", "ls-files", "*.py", "*.md", "*.toml", "*.ipynb", "Makefile"],
        cwd=repository, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    paths = [repository / name for name in listing.stdout.splitlines()]
    return {
        str(p.relative_to(repository)): p.read_text() for p in paths if p.is_file() and p != Path(__file__)
    }


def test_our_name_is_not_asked_of_an_index(repository: Path) -> None:
    for wrong in ("pip install peritus[models]", "pip install 'peritus[sim]'", "pip install -U peritus"):
        assert ADVICE.search(wrong)
    for right in (
        "pip install -e '.[sim]'",
        "pip install --no-index -f wheels peritus",
        "pip install pyserial",
    ):
        assert not ADVICE.search(right)
    found = {name: match[0] for name, text in texts(repository).items() if (match := ADVICE.search(text))}
    assert found == {}


def test_hints_name_extras_that_there_are(repository: Path) -> None:
    extras = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {
        extra
        for name, text in texts(repository).items()
        if name.startswith("sw/")
        for extra in HINT.findall(text)
    }
    assert {"sim", "synth", "models", "board", "link", "dev"} <= named <= set(extras)


def test_what_to_do_works_where_one_is(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resources.how_to_install("sim") == f"in {repository}, make venv, or pip install -e '.[sim]'"
    assert "\nvenv:" in (repository / "Makefile").read_text()
    monkeypatch.setattr(resources, "repository_root", lambda: None)
    assert "FILE[sim]" in resources.how_to_install("sim")
