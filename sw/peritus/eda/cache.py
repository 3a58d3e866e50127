# SPDX-License-Identifier: Apache-2.0
"""Content-addressed folders: each is built once, and becomes visible complete or not at all."""

import fcntl
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from peritus.eda.errors import CacheLockTimeout

LOCK_POLL_S = 0.2
KEEP_BYTES = 1 << 30  # by size: a count below the number of RTL benches rebuilt all of them in every run
DRAFT_AGE_S = 86_400.0
_DRAFT = ".draft-"


class ContentCache:
    """Folders named by the hash of everything that they were made from.

    The most recently used entries are kept, up to `keep_bytes` of disk space, and always the newest one.
    """

    def __init__(self, root: Path, keep_bytes: int = KEEP_BYTES) -> None:
        self.root = root
        self.keep_bytes = keep_bytes

    def get(self, key: str, build: Callable[[Path], None], *, lock_timeout_s: float) -> Path:
        """The folder of `key`; if absent, `build(draft)` fills it first.

        Raises:
            CacheLockTimeout: another process builds the same key for longer than `lock_timeout_s`.
            Exception: whatever `build` raises.
        """
        entry = self.root / key
        if not entry.is_dir():
            self.root.mkdir(parents=True, exist_ok=True)
            with exclusive(self.root / f"{key}.lock", lock_timeout_s):
                if not entry.is_dir():
                    self._build(entry, build)
                    self._forget_oldest(entry)
        os.utime(entry)
        return entry

    def _build(self, entry: Path, build: Callable[[Path], None]) -> None:
        draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=self.root))
        draft.chmod(0o755)
        try:
            build(draft)
            draft.rename(entry)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _forget_oldest(self, newest: Path) -> None:
        """Remove the least recently used entries but `newest`, and drafts of processes that were ended."""
        used: dict[Path, float] = {}
        for path in self.root.iterdir():
            with suppress(FileNotFoundError):  # other processes finish their drafts meanwhile
                if path.is_dir():
                    used[path] = path.stat().st_mtime
        drafts = [path for path in used if path.name.startswith(_DRAFT)]
        older = sorted(used.keys() - {newest, *drafts}, key=lambda path: used[path], reverse=True)
        abandoned = [path for path in drafts if time.time() - used[path] > DRAFT_AGE_S]
        sizes = itertools.accumulate((_bytes(entry) for entry in older), initial=_bytes(newest))
        next(sizes)
        forgotten = [entry for entry, size in zip(older, sizes, strict=True) if size > self.keep_bytes]
        for folder in abandoned + forgotten:
            shutil.rmtree(folder, ignore_errors=True)


def _bytes(folder: Path) -> int:
    """Size of all files in `folder`, as far as other processes leave them there."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.lstat().st_size
    return total


@contextmanager
def exclusive(path: Path, timeout_s: float) -> Iterator[None]:
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
