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
        file = (folder / LOCK_FILE).open("a+b", buffering=0)
    except OSError as error:
        raise RunFolderError(f"run folder {folder} cannot be used: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = ascii(file.read(LONGEST_OWNER).decode(errors="replace"))[1:-1]
            raise RunFolderError(
                f"run folder {folder} is in use by {owner or 'another process'}: wait until it ends, stop it "
                "or choose another folder"
            ) from None
        except OSError as error:
            raise RunFolderError(f"run folder {folder} cannot be locked: {error.strerror}") from error
        try:
            file.truncate(0)  # of one that died
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            file.write(f"process {os.getpid()} on {socket.gethostname()} since {since}".encode())
            yield
        finally:
            file.truncate(0)
