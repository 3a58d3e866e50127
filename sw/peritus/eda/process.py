# SPDX-License-Identifier: Apache-2.0
"""Run a program with a time limit, its output in a log file, and nothing left running afterwards.

Nothing: neither when the program ends, nor when this process does, be it by SIGTERM, SIGKILL or a crash.
"""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from peritus.eda.errors import BuildError, ToolchainError, ToolNotFound

GUARD = Path(__file__).with_name("guard.py")
END_S = 10.0  # that killing everything may take


class ProcessTimeout(ToolchainError):
    """A program ran longer than its limit and was ended together with its children."""


def run_lines(
    command: Sequence[str],
    *,
    cwd: Path,
    timeout_s: float,
    on_line: Callable[[str], object],
    env: Mapping[str, str] | None = None,
) -> int:
    """Run `command`, calling `on_line` for every line of its stdout and stderr, line ends included.

    Returns:
        The exit status (negative: the signal that ended the program).

    Raises:
        ProcessTimeout: it ran longer than `timeout_s` seconds.
        ToolNotFound: there is no such program.
    """
    if shutil.which(command[0], path=(env or os.environ).get("PATH")) is None:
        raise ToolNotFound(f"{command[0]} is not a program that can be run: is it installed?")
    with _guarded(command, cwd, env) as process:
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            process.terminate()

        timer = threading.Timer(timeout_s, expire)
        timer.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                on_line(line)
            status = process.wait()
        finally:
            timer.cancel()
    if expired.is_set():
        raise ProcessTimeout(f"{Path(command[0]).name} ran longer than its limit of {timeout_s:g} s")
    return status


def run_logged(
    command: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], object] = lambda line: None,
) -> int:
    """run_lines that appends what the program says to `log` as well, which ProcessTimeout names."""
    with log.open("a", buffering=1, errors="backslashreplace") as out:  # by lines: it is read while it grows
        out.write(f"$ {' '.join(command)}\n")
        out.flush()

        def keep(line: str) -> None:
            out.write(line)
            on_line(line)

        try:
            return run_lines(command, cwd=cwd, timeout_s=timeout_s, on_line=keep, env=env)
        except ProcessTimeout as error:
            raise ProcessTimeout(f"{error}; log {log}") from None


@contextmanager
def _guarded(
    command: Sequence[str], cwd: Path, env: Mapping[str, str] | None
) -> Iterator[subprocess.Popen[str]]:
    """The command under a guard (guard.py): it ends with the block, and with this process."""
    life, ours = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD), str(life), *command],
            cwd=cwd,
            env=env,
            pass_fds=[life],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C is for us: we end the command in order
        )
        os.close(life)
        life = -1
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.terminate()
                    try:
                        process.wait(END_S)
                    except subprocess.TimeoutExpired:
                        process.kill()
    finally:
        for end in (life, ours):
            if end >= 0:
                os.close(end)


def run_step(
    what: str,
    command: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], object] = lambda line: None,
) -> None:
    """run_logged for a step of a build, which `what` names; the rest as there.

    Raises:
        BuildError: it failed, or ran longer than `timeout_s` seconds; carries the end of `log`.
    """
    try:
        status = run_logged(command, cwd=cwd, log=log, timeout_s=timeout_s, env=env, on_line=on_line)
    except ProcessTimeout as error:
        raise BuildError(f"{what}: {error}", log) from error
    if status != 0:
        raise BuildError(f"{what} failed with status {status}", log)
