# SPDX-License-Identifier: Apache-2.0
"""Programs under the guard: they end with their limit, with their caller, and leave nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from peritus.eda.errors import ToolNotFound
from peritus.eda.process import ProcessTimeout, run_logged

LIMIT_S = 15.0  # for what should happen at once, on a busy machine
SLEEP = "import os, time; open({path!r}, 'w').write(str(os.getpid())); time.sleep(300)"


def tree(folder: Path) -> tuple[str, list[Path]]:
    """A program with a child, one in a session of its own and an orphan; the files with their numbers."""
    pids = [folder / name for name in ("child", "session", "orphan", "self")]
    child, session, orphan, itself = (SLEEP.format(path=str(path)) for path in pids)
    code = f"""
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", {child!r}])
subprocess.Popen([sys.executable, "-c", {session!r}], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    subprocess.Popen([sys.executable, "-c", {orphan!r}])
    os._exit(0)
print("ready", flush=True)
{itself}
"""
    return code, pids


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def started(pids: list[Path]) -> list[int]:
    wait_for(lambda: all(p.is_file() and p.read_text() for p in pids), "the children did not start")
    return [int(path.read_text()) for path in pids]


def all_end(pids: list[int]) -> None:
    wait_for(lambda: not any(map(alive, pids)), f"of {pids} some run on")


OWNER = """
import sys
from pathlib import Path
from peritus.eda.process import run_logged
folder = Path(sys.argv[1])
run_logged([sys.executable, "-c", sys.argv[2]], cwd=folder, log=folder / "log", timeout_s=200)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="descendants are found by Linux's means")
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL, signal.SIGSEGV, signal.SIGQUIT]
)
def test_children_end_with_their_parent(tmp_path: Path, number: signal.Signals) -> None:
    code, files = tree(tmp_path)
    command = [sys.executable, "-c", OWNER, str(tmp_path), code]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as owner:
        try:
            pids = started(files)
            assert all(map(alive, pids))
            owner.send_signal(number)
            owner.wait(LIMIT_S)
            all_end(pids)
        finally:
            owner.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="descendants are found by Linux's means")
def test_a_timeout_ends_the_children_too(tmp_path: Path) -> None:
    code, files = tree(tmp_path)
    start = time.monotonic()
    with pytest.raises(ProcessTimeout, match=r"limit of 2 s"):
        run_logged([sys.executable, "-c", code], cwd=tmp_path, log=tmp_path / "log", timeout_s=2)
    assert time.monotonic() - start < LIMIT_S
    all_end(started(files))


@pytest.mark.skipif(sys.platform != "linux", reason="descendants are found by Linux's means")
def test_nothing_is_left_when_the_program_ends(tmp_path: Path) -> None:
    """What it left in the background would hold its output open."""
    code, files = tree(tmp_path)
    code = (
        code.rpartition("print(")[0]
        + f"""
import time
while not all(os.path.exists(name) for name in {[str(path) for path in files[:3]]!r}):
    time.sleep(0.01)
"""
    )
    assert run_logged([sys.executable, "-c", code], cwd=tmp_path, log=tmp_path / "log", timeout_s=60) == 0
    all_end(started(files[:3]))


def test_an_error_of_the_caller_ends_the_program(tmp_path: Path) -> None:
    code, files = tree(tmp_path)

    def fail(line: str) -> None:
        raise RuntimeError(f"seen {line.strip()}")

    with pytest.raises(RuntimeError, match="seen ready"):
        run_logged(
            [sys.executable, "-c", code], cwd=tmp_path, log=tmp_path / "log", timeout_s=60, on_line=fail
        )
    time.sleep(0.1)
    all_end([int(path.read_text()) for path in files if path.is_file() and path.read_text()])


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("", 0),
        ("raise SystemExit(3)", 3),
        ("import os; os.kill(os.getpid(), 15)", -15),
        ("import os; os.kill(os.getpid(), 9)", -9),
        ("import os; os.abort()", -6),
    ],
)
def test_the_status_is_the_programs(tmp_path: Path, code: str, status: int) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", f"print('said', flush=True)\n{code}"]
    assert run_logged(command, cwd=tmp_path, log=log, timeout_s=60) == status
    assert "said\n" in log.read_text()
    assert not (tmp_path / "core").exists()


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ToolNotFound, match="no-such-compiler is not a program"):
        run_logged(["no-such-compiler", "-v"], cwd=tmp_path, log=tmp_path / "log", timeout_s=1)
