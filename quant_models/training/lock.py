# SPDX-License-Identifier: Apache-2.0
"""One process per run folder. The system releases the lock of a process that dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peritus.errors import PeritusError

LOCK_FILE = "lock"
LONGEST_OWNER = 200  # bytes of an owner's description that are shown


class RunFolderError(PeritusError):
    """A run's folder is in use by another process, or cannot be written; names the owner or the reason."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run's folder, which is made if there is none. Its file `lock` says who does; it stays, empty.

    Raises:
        RunFolderError: another process holds it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise RunFolderError(f"run folder {folder} cannot be used: {error.strerror}") from error
    with open(descriptor, "r+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, LONGEST_OWNER, 0).decode(errors="replace")
            raise RunFolderError(
                f"run folder {folder} is in use by {ascii(owner)[1:-1] or 'another process'}: wait until it "
                "ends, stop it, or choose another folder"
            ) from None
        except OSError as error:
            raise RunFolderError(f"run folder {folder} cannot be locked: {error.strerror}") from error
        try:
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            file.truncate(0)
            os.pwrite(
                descriptor, f"process {os.getpid()} on {socket.gethostname()} since {since}".encode(), 0
            )
            yield
        finally:
            file.truncate(0)
