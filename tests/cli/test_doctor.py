# SPDX-License-Identifier: Apache-2.0
"""`peritus doctor` says what is wrong with the cache, and with --repair mends it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from peritus.cache import CACHES, open_cache
from peritus.cli import app


@pytest.fixture
def damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with a whole entry, a truncated one, and a draft that nobody works at."""
    for module in ("peritus.cache.default_cache_dir", "peritus.cli.doctor.cache_dir"):
        monkeypatch.setattr(module, lambda: tmp_path)
    for key in ("good", "bad"):
        open_cache("verilated").get(
            key, lambda draft: (draft / "libVtop.so").write_text("product") and None, lock_timeout_s=1
        )
    os.truncate(tmp_path / "verilated" / "bad" / "libVtop.so", 3)
    (tmp_path / "objects" / ".draft-key-1").mkdir(parents=True)
    return tmp_path


def doctor(*options: str) -> tuple[dict[str, Any], dict[str, Any]]:
    result = CliRunner().invoke(app, ["doctor", "--json", "-", *options])
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    return record["cache"], next(check for check in record["checks"] if check["name"] == "cache")


def test_doctor_only_says(damaged: Path) -> None:
    cache, check = doctor()
    assert set(cache) == set(CACHES)
    assert cache["verilated"] == {
        "entries": 1, "damaged": [str(damaged / "verilated" / "bad")], "abandoned": [],
    }  # fmt: skip
    assert cache["objects"]["abandoned"] == [str(damaged / "objects" / ".draft-key-1")]
    assert not check["ok"]
    assert "1 damaged and 1 abandoned: peritus doctor --repair removes them" in check["found"]
    assert (damaged / "verilated" / "bad").is_dir() and (damaged / "objects" / ".draft-key-1").is_dir()
    assert sorted(path.name for path in damaged.iterdir()) == ["objects", "verilated"], "it makes no folders"


def test_repair_removes(damaged: Path) -> None:
    _, check = doctor("--repair")
    assert check["ok"] and "1 damaged and 1 abandoned, removed" in check["found"]
    assert not (damaged / "verilated" / "bad").exists() and not list(damaged.glob("objects/.draft-*"))
    cache, check = doctor()
    assert check["ok"] and cache["verilated"] == {"entries": 1, "damaged": [], "abandoned": []}
    shown = CliRunner().invoke(app, ["doctor"]).output
    assert "damaged:" not in shown and "entries" in shown


def test_a_file_in_the_cache_s_place_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").touch()
    for module in ("peritus.cache.default_cache_dir", "peritus.cli.doctor.cache_dir"):
        monkeypatch.setattr(module, lambda: tmp_path / "cache")
    _, check = doctor()
    assert not check["ok"] and "cache is no folder: remove it" in check["found"]
