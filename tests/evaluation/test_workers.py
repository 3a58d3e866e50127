# SPDX-License-Identifier: Apache-2.0
"""Worker processes end with the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LIMIT_S = 30.0


def note(folder: str) -> None:
    """A worker's initializer."""
    (Path(folder) / str(os.getpid())).touch()


def work(job: int) -> int:
    return job


OWNER = """
import sys, time
from tests.evaluation.test_workers import note, work
from peritus.evaluation.workers import in_order
def jobs():
    for job in range(100):
        yield job
        if job == 3:
            print("running", flush=True)
            time.sleep(300)
if __name__ == "__main__":
    list(in_order(work, jobs(), 2, note, (sys.argv[1],)))
"""


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_idle_workers_end_with_their_owner(tmp_path: Path, number: signal.Signals) -> None:
    script = tmp_path / "owner.py"
    script.write_text(OWNER)
    seen = tmp_path / "seen"
    seen.mkdir()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(script), str(seen)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout and owner.stdout.readline() == "running\n"
        workers = [int(path.name) for path in seen.iterdir()]
        assert workers and all(map(alive, workers))
        owner.send_signal(number)
        owner.wait(LIMIT_S)
        end = time.monotonic() + LIMIT_S
        while any(map(alive, workers)):
            assert time.monotonic() < end, f"of {workers} some run on"
            time.sleep(0.05)
