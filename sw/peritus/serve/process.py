# SPDX-License-Identifier: Apache-2.0
"""A `peritus` command as a process of its own, which ends with its children whenever it should."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from peritus.serve.errors import ServeError

STEP_S = 0.1  # between two looks at a process
END_S = 10.0  # that the kernel has to end one
MAX_SAID = 4000  # bytes at the end of what a process says
COMMAND = (sys.executable, "-c", "import sys; sys.argv[0] = 'peritus'; from peritus.cli import app; app()")


def run_command(
    command: Sequence[str], arguments: Sequence[str], folder: Path, check: Callable[[], None]
) -> None:
    """Run a command in a folder, to its end.

    command: that runs `peritus`. check: raises a ServeError when the command should end before.

    Raises:
        ServeError: it failed, with the last it said; or what `check` raises.
    """
    with (folder / "said").open("w+b") as said:
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while (code := process.poll()) is None:
                check()
                time.sleep(STEP_S)
        finally:
            _end(process)
        if code:
            raise ServeError(_last_words(said) or f"peritus {arguments[0]} ended with {code}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """With its children, if it still runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        try:
            process.wait(timeout=END_S)
        except subprocess.TimeoutExpired as error:
            raise ServeError(f"process {process.pid} was killed, but is still there") from error


def _last_words(said: IO[bytes]) -> str:
    """What a command says it failed for."""
    said.seek(0, os.SEEK_END)
    said.seek(max(0, said.tell() - MAX_SAID))
    text = said.read().decode(errors="replace").strip()
    return text.rpartition("error: ")[2]
