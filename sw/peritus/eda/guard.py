# SPDX-License-Identifier: Apache-2.0
"""Run a command, and leave nothing of it running: not when it ends, and not when its owner does.

    python -I -S guard.py FD COMMAND [ARGUMENT...]

The owner started this and alone holds the write end of pipe FD. When that closes, as it does however the
owner ends, or on SIGTERM, all that the command started is killed: on Linux whatever session it moved to,
elsewhere its process group. The exit status is the command's. A program of its own, because the owner may be
killed outright; it imports little, because it starts for every step of a build.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys

LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
NOT_STARTED = 127  # as a shell says it


def main() -> None:
    life, command = int(sys.argv[1]), sys.argv[2:]
    os.set_inheritable(life, False)
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    for heard in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(heard, lambda *_: None)  # what came is read from `woken`
    signal.set_wakeup_fd(wake)
    if LINUX:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # orphans of the command become ours
    pid = os.fork()
    if pid == 0:
        execute(command)
    status = wait_for(pid, life, woken)
    kill_all(pid)
    if status is None or os.WIFSIGNALED(status):
        number = signal.SIGKILL if status is None else os.WTERMSIG(status)
        with contextlib.suppress(OSError):  # SIGKILL has no handler
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status or 0))


def execute(command: list[str]) -> None:
    """Become the command, in a process group of its own; killed with this guard."""
    os.setpgid(0, 0)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    if LINUX:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", flush=True)
        os._exit(NOT_STARTED)


def wait_for(pid: int, life: int, woken: int) -> int | None:
    """The command's wait status; None if it is to be ended first."""
    while True:
        ready, _, _ = select.select([life, woken], [], [])
        if life in ready or set(os.read(woken, 512)) - {signal.SIGCHLD}:
            return None
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == pid:
                    return ended[1]


def kill_all(group: int) -> None:
    """End the command's process group and, on Linux, all its descendants: their orphans come here."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            for child in children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            os.waitpid(-1, 0)


def children() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:  # noqa: PTH123 - pathlib takes 10 ms
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


if __name__ == "__main__":
    main()
