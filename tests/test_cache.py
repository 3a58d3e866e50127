# SPDX-License-Identifier: Apache-2.0
"""Entries of the cache: built once, whole or absent, checked, and usable where nothing can be written."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from peritus.cache import CacheLockTimeout, CacheNotWritable, ContentCache, exclusive, is_whole
from peritus.errors import PeritusError

BYTES = 100_000
NOBODY = 65534


def product(text: str = "x") -> Callable[[Path], None]:
    def build(draft: Path) -> None:
        (draft / "folder").mkdir()
        (draft / "folder" / "product").write_text(text * BYTES)
        (draft / "link").symlink_to("folder/product")

    return build


def refuse(draft: Path) -> None:
    raise AssertionError(f"built again: {draft}")


def folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.is_dir())


def test_an_entry_is_built_once(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path)
    entry = cache.get("key", product(), lock_timeout_s=1)
    assert cache.get("key", refuse, lock_timeout_s=1) == entry == tmp_path / "key"
    assert cache.find("key") == entry and cache.find("other") is None
    assert (entry.stat().st_mode & 0o777) == 0o755


def test_a_failed_entry_leaves_nothing(tmp_path: Path) -> None:
    def fail(draft: Path) -> None:
        (draft / "half").write_text("half a product")
        raise ValueError("no")

    cache = ContentCache(tmp_path)
    with pytest.raises(ValueError, match="no"):
        cache.get("key", fail, lock_timeout_s=1)
    assert folders(tmp_path) == []
    assert cache.get("key", product(), lock_timeout_s=1) == tmp_path / "key"


def truncate(entry: Path) -> None:
    os.truncate(entry / "folder" / "product", BYTES // 2)


def flip(entry: Path) -> None:
    path = entry / "folder" / "product"
    path.write_bytes(b"y" + path.read_bytes()[1:])


DAMAGE: dict[str, Callable[[Path], object]] = {
    "truncated": truncate,
    "same size": flip,
    "lost file": lambda entry: (entry / "folder" / "product").unlink(),
    "lost folder": lambda entry: shutil.rmtree(entry / "folder"),
    "empty": lambda entry: os.truncate(entry / "folder" / "product", 0),
    "other link": lambda entry: ((entry / "link").unlink(), (entry / "link").symlink_to("contents.json")),
    "no record": lambda entry: (entry / "contents.json").unlink(),
    "half a record": lambda entry: os.truncate(entry / "contents.json", 20),
    "empty record": lambda entry: os.truncate(entry / "contents.json", 0),
    "another record": lambda entry: (entry / "contents.json").write_text('{"folder/product": 3}'),
    "a deep record": lambda entry: (entry / "contents.json").write_text("[" * 100_000),
    "a record of nothing": lambda entry: (entry / "contents.json").write_text("{}"),
    "a list": lambda entry: (entry / "contents.json").write_text("[]"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_entry_is_built_again(tmp_path: Path, kind: str) -> None:
    cache = ContentCache(tmp_path)
    entry = cache.get("key", product(), lock_timeout_s=1)
    DAMAGE[kind](entry)
    assert not is_whole(entry)
    assert cache.find("key") is None
    assert (cache.get("key", product(), lock_timeout_s=1) / "link").read_text() == "x" * BYTES
    assert is_whole(entry) and folders(tmp_path) == ["key"]


def test_the_least_recently_used_go_when_space_is_short(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path, keep_bytes=7 * BYTES // 2)
    for age, key in enumerate("abc"):
        os.utime(cache.get(key, product(), lock_timeout_s=1), (age, age))
    os.utime(cache.get("a", refuse, lock_timeout_s=1), (9, 9))
    cache.get("d", product(), lock_timeout_s=1)
    assert folders(tmp_path) == ["a", "c", "d"]
    huge = cache.get("e", product("long" * 4), lock_timeout_s=1)
    assert folders(tmp_path) == ["e"] and is_whole(huge), "one larger than the limit is of use to who asked"


def test_the_wait_for_a_lock_is_limited(tmp_path: Path) -> None:
    with exclusive(tmp_path / "key.lock", 1), pytest.raises(CacheLockTimeout, match=r"more than 0\.3 s"):
        ContentCache(tmp_path).get("key", product(), lock_timeout_s=0.3)


# --- without tools, without rights ---


class NoCompiler(PeritusError):
    """As ToolNotFound."""


def no_tools() -> object:
    raise NoCompiler("no compiler: install one")


def test_without_tools_a_product_of_others_is_taken(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path)
    with pytest.raises(NoCompiler, match="install one"):
        cache.get("key", refuse, lock_timeout_s=1, tools=no_tools)
    old = cache.get("key", product(), lock_timeout_s=1, tools=lambda: "compiler 1")
    new = cache.get("key", product(), lock_timeout_s=1, tools=lambda: "compiler 2")
    os.utime(old, (1, 1))
    assert cache.get("key", refuse, lock_timeout_s=1, tools=no_tools) == new != old
    truncate(new)
    assert cache.get("key", refuse, lock_timeout_s=1, tools=no_tools) == old
    truncate(old)
    with pytest.raises(NoCompiler):
        cache.get("key", refuse, lock_timeout_s=1, tools=no_tools)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """As a user without rights."""
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that every user may look into, other than pytest's."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_reading_needs_no_right_to_write(open_folder: Path) -> None:
    cache = ContentCache(open_folder)
    entry = cache.get("key", product(), lock_timeout_s=1, tools=lambda: "compiler 1")
    (open_folder / ".draft-key-1").mkdir()  # and one cannot clean up either
    with read_only(open_folder):
        assert cache.get("key", refuse, lock_timeout_s=1, tools=lambda: "compiler 1") == entry
        assert cache.get("key", refuse, lock_timeout_s=1, tools=lambda: "compiler 2") == entry
        with pytest.raises(CacheNotWritable, match=f"{open_folder} does not have it and cannot be written"):
            cache.get("other", refuse, lock_timeout_s=1)
        with pytest.raises(CacheNotWritable):
            ContentCache(open_folder / "below").get("key", refuse, lock_timeout_s=1)


def test_a_cache_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CacheNotWritable, match="file"):
        ContentCache(tmp_path / "file" / "cache").get("key", refuse, lock_timeout_s=1)
    with pytest.raises(CacheNotWritable, match="file"):
        ContentCache(tmp_path / "file").get("key", refuse, lock_timeout_s=1)


# --- builders that end ---

BUILDER = """
import sys, time
from pathlib import Path
from peritus.cache import ContentCache
def build(draft):
    (draft / "half").write_text("half")
    print("building", flush=True)
    time.sleep(60)
ContentCache(Path(sys.argv[1])).get("key", build, lock_timeout_s=1)
"""


@contextmanager
def builder(root: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", BUILDER, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout and process.stdout.readline() == "building\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_builder_that_is_told_to_end_cleans_up(tmp_path: Path, number: signal.Signals) -> None:
    with builder(tmp_path) as process:
        assert any(path.name.startswith(".draft-key-") for path in tmp_path.iterdir())
        process.send_signal(number)
        assert process.wait(10) == -number, "the caller sees what ended it"
        assert folders(tmp_path) == []


def test_what_a_killed_builder_leaves_goes_with_the_next_start(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path)
    cache.get("other", product(), lock_timeout_s=1)
    with builder(tmp_path) as process:
        cache.get("other", refuse, lock_timeout_s=1)
        assert cache.inspect().drafts == ()
        assert len(folders(tmp_path)) == 2, "a draft whose owner lives is not ours"
        process.kill()
        process.wait(10)
        assert len(cache.inspect().drafts) == 1 and len(folders(tmp_path)) == 2, "looking changes nothing"
        cache.get("other", refuse, lock_timeout_s=1)
        assert folders(tmp_path) == ["other"]


# --- looking and repairing ---


def test_repair_removes_what_is_damaged_and_nothing_else(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path)
    for key in ("good", "bad", "unrecorded"):
        cache.get(key, product(), lock_timeout_s=1)
    truncate(tmp_path / "bad")
    (tmp_path / "unrecorded" / "contents.json").unlink()
    (tmp_path / ".draft-bad-1").mkdir()
    (tmp_path / "left.o").touch()
    (tmp_path / "build.log").touch()
    found = cache.inspect()
    assert found.entries == 1
    assert [path.name for path in found.damaged] == ["bad", "left.o", "unrecorded"]
    assert [path.name for path in found.drafts] == [".draft-bad-1"]
    assert cache.repair() == found
    assert cache.inspect() == type(found)(1, (), ())
    assert folders(tmp_path) == ["good"] and (tmp_path / "build.log").is_file()


def test_a_cache_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path / "none")
    assert cache.inspect() == cache.repair()
    assert not cache.root.exists()


def test_many_processes_build_one_entry_once(tmp_path: Path) -> None:
    code = BUILDER.replace("time.sleep(60)", "time.sleep(0.3)").replace(
        "lock_timeout_s=1", "lock_timeout_s=30"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = "".join(process.communicate(timeout=60)[0] for process in started)
    assert said == "building\n" and folders(tmp_path) == ["key"]
    assert time.time() - (tmp_path / "key").stat().st_mtime < 60
