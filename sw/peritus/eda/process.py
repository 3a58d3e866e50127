# SPDX-License-Identifier: Apache-2.0
"""Run a program with a time limit, its output in a log file, and nothing left running afterwards."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from peritus.eda.errors import BuildError, ToolchainError


class ProcessTimeout(ToolchainError):
    """A program ran longer than its limit and was ended together with its children."""


def run_logged(
    command: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> int:
    """Append stdout and stderr of `command` to `log`, calling `on_line` for every line.

    Returns:
        The exit status (negative: the signal that ended the program).

    Raises:
        ProcessTimeout: it ran longer than `timeout_s` seconds.
    """
    with log.open("a") as out:
        out.write(f"$ {' '.join(command)}\n")
        out.flush()
        with subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # a process group of its own, so that children can be ended too
        ) as process:
            expired = threading.Event()

            def expire() -> None:
                expired.set()
                _kill_group(process.pid)

            timer = threading.Timer(timeout_s, expire)
            timer.start()
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    out.write(line)
                    if on_line:
                        on_line(line)
                status = process.wait()
            except BaseException:
                _kill_group(process.pid)
                raise
            finally:
                timer.cancel()
    if expired.is_set():
        raise ProcessTimeout(
            f"{Path(command[0]).name} ran longer than its limit of {timeout_s:g} s; log {log}"
        )
    return status


def run_step(
    what: str,
    command: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
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


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
