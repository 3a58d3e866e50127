# SPDX-License-Identifier: Apache-2.0
"""Content-addressed folders: each is built once, becomes visible complete or not at all, and never changes."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from peritus.toolchain.errors import CacheLockTimeout

LOCK_POLL_S = 0.2
KEEP_ENTRIES = 96


class ContentCache:
    """Folders named by the hash of everything that they were made from.

    A fixed number of most recently used entries is kept.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, key: str, build: Callable[[Path], None], *, lock_timeout_s: float) -> Path:
        """The folder of `key`; if absent, `build(draft)` fills it first.

        A failed build leaves its draft's `*.log` files in `root/failed/key`.

        Raises:
            CacheLockTimeout: another process builds the same key for longer than `lock_timeout_s`.
            Exception: whatever `build` raises.
        """
        entry = self.root / key
        if not entry.is_dir():
            self.root.mkdir(parents=True, exist_ok=True)
            with _locked(self.root / f"{key}.lock", lock_timeout_s):
                if not entry.is_dir():
                    self._build(entry, build)
                    self._forget_oldest()
        os.utime(entry)
        return entry

    def _build(self, entry: Path, build: Callable[[Path], None]) -> None:
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=self.root))
        draft.chmod(0o755)
        try:
            build(draft)
            draft.rename(entry)
        except BaseException:
            failed = self.root / "failed" / entry.name
            failed.mkdir(parents=True, exist_ok=True)
            for log in draft.glob("*.log"):
                shutil.copy(log, failed)
            raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _forget_oldest(self) -> None:
        entries = [
            path
            for path in self.root.iterdir()
            if path.is_dir() and not path.name.startswith((".", "failed"))
        ]
        entries.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for entry in entries[KEEP_ENTRIES:]:
            shutil.rmtree(entry, ignore_errors=True)
            (self.root / f"{entry.name}.lock").unlink(missing_ok=True)


@contextmanager
def _locked(path: Path, timeout_s: float) -> Iterator[None]:
    """Hold an exclusive lock on `path`; the system releases it if this process dies."""
    deadline = time.monotonic() + timeout_s
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise CacheLockTimeout(
                        f"lock {path} is held by another build for more than {timeout_s:g} s"
                    ) from None
                time.sleep(LOCK_POLL_S)
        yield
