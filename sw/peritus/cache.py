# SPDX-License-Identifier: Apache-2.0
"""Content-addressed folders: each is built once, becomes visible complete or not at all, and is checked.

What a folder holds is recorded when it is published, with sizes and digests, and compared whenever it is
asked for: a damaged one is built again before anything loads it. A process that is killed while it builds
leaves a draft, which the next one that uses the cache removes: a draft's owner holds the lock of its key, and
the system takes a lock from the dead. Reading needs no right to write.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import itertools
import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from peritus.errors import PeritusError
from peritus.resources import cache_dir as default_cache_dir

# All there are, by the names of their folders.
CACHES = (
    "csim", "estimated", "flat", "generated", "objects", "placed", "synthesized", "verilated", "verilator",
)  # fmt: skip
LOCK_POLL_S = 0.2
KEEP_BYTES = 1 << 30  # by size: a count below the number of RTL benches rebuilt all of them in every run
_DRAFT = ".draft-"
_CONTENTS = "contents.json"
_BESIDE = (".lock", ".log")  # files that lie beside the entries
_NOT_WRITABLE = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
    *(errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOLCK, errno.ENOTSUP),
}


class CacheError(PeritusError):
    """A folder of the cache cannot be had."""


class CacheLockTimeout(CacheError):
    """Another process holds the cache entry longer than the limit."""


class CacheNotWritable(CacheError):
    """Something must be built and there is no right or room to keep it; names the path and the reason."""


@dataclass(frozen=True)
class Findings:
    """The state of one cache.

    entries: whole ones. damaged: entries that are not what was published, and files that nothing reads.
    drafts: left by processes that were ended.
    """

    entries: int
    damaged: tuple[Path, ...]
    drafts: tuple[Path, ...]


def open_cache(name: str, folder: Path | None = None) -> ContentCache:
    """The cache `name`, one of CACHES, in `folder`; default `peritus.resources.cache_dir()`."""
    assert name in CACHES, name
    return ContentCache((folder or default_cache_dir()) / name)


def digest(value: object) -> str:
    """Name of a value that JSON can express: 32 hexadecimal digits."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:32]


class ContentCache:
    """Folders named by what they were made from.

    The most recently used entries are kept, up to `keep_bytes` of disk space, and always the newest one.
    """

    def __init__(self, root: Path, keep_bytes: int = KEEP_BYTES) -> None:
        self.root = root
        self.keep_bytes = keep_bytes

    def get(
        self,
        content: str,
        build: Callable[[Path], None],
        *,
        lock_timeout_s: float,
        tools: Callable[[], object] | None = None,
    ) -> Path:
        """The folder of `content`; if it is absent or damaged, `build(draft)` fills it first.

        Args:
            content: name of all that shapes the product but the tools, see `digest`.
            tools: what it is built with; may raise. Where they are missing, or nothing can be written, a
                product of the same content by other tools is taken.

        Raises:
            CacheLockTimeout: another process builds the same for longer than `lock_timeout_s`.
            CacheNotWritable: it must be built, and the folder cannot be written.
            Exception: whatever `build` or `tools` raises.
        """
        self._remove_drafts()
        try:
            key = content if tools is None else f"{content}-{digest(tools())}"
        except PeritusError as missing:
            return self._by_other_tools(content, missing)
        entry = self.root / key
        if not is_whole(entry):
            try:
                self._make(entry, build, lock_timeout_s)
            except CacheNotWritable as refused:
                return self._by_other_tools(content, refused)
        return _used(entry)

    def find(self, content: str) -> Path | None:
        """The folder of `content`, by whatever tools, the last used first; None if there is no whole one."""
        found = [path for path in self._entries() if path.name.partition("-")[0] == content]
        found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        return next((_used(path) for path in found if is_whole(path)), None)

    def inspect(self) -> Findings:
        """What there is; reads every file."""
        entries = list(self._entries())
        damaged = [path for path in entries if not is_whole(path)]
        whole = len(entries) - len(damaged)
        if self.root.is_dir():
            damaged += [p for p in self.root.iterdir() if p.is_file() and p.suffix not in _BESIDE]
        return Findings(whole, tuple(sorted(damaged)), tuple(self._abandoned()))

    def repair(self) -> Findings:
        """Remove what is damaged or abandoned; what is needed is built again when it is asked for.

        Returns:
            What was found.

        Raises:
            CacheNotWritable: something cannot be removed.
        """
        findings = self.inspect()
        with _writing(self.root):
            for path in findings.damaged:
                if not path.is_dir():
                    path.unlink(missing_ok=True)
                    continue
                with suppress(CacheLockTimeout), exclusive(self._lock(path.name), 0):
                    if not is_whole(path):  # nobody has built it again meanwhile
                        self._discard(path)
            self._remove_drafts()
        return findings

    # --- making ---

    def _make(self, entry: Path, build: Callable[[Path], None], lock_timeout_s: float) -> None:
        with _writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            with exclusive(self._lock(entry.name), lock_timeout_s):
                if not is_whole(entry):
                    with _unwinding():
                        self._build(entry, build)
                    self._forget_oldest(entry)

    def _build(self, entry: Path, build: Callable[[Path], None]) -> None:
        draft = self._draft(entry.name)
        try:
            build(draft)
            (draft / _CONTENTS).write_text(json.dumps(_contents(draft)))
            for path in (*draft.rglob("*"), draft):  # or a power failure publishes files without content
                if path.is_dir() or path.is_file():
                    _sync(path)
            self._discard(entry)
            draft.rename(entry)
            _sync(self.root)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _draft(self, key: str) -> Path:
        draft = Path(tempfile.mkdtemp(prefix=f"{_DRAFT}{key}-", dir=self.root))
        draft.chmod(0o755)
        return draft

    def _discard(self, entry: Path) -> None:
        """Remove an entry at once: under its name nobody ever sees a half of it."""
        if entry.is_dir():
            aside = self._draft(entry.name)
            entry.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)

    def _forget_oldest(self, newest: Path) -> None:
        """Remove the least recently used entries but `newest`."""
        used: dict[Path, float] = {}
        for path in self._entries():
            with suppress(FileNotFoundError):
                used[path] = path.stat().st_mtime
        older = sorted(used.keys() - {newest}, key=lambda path: used[path], reverse=True)
        sizes = itertools.accumulate((_bytes(entry) for entry in older), initial=_bytes(newest))
        next(sizes)
        for entry, size in zip(older, sizes, strict=True):
            if size > self.keep_bytes:
                with suppress(FileNotFoundError):  # another process forgets the same
                    self._discard(entry)

    # --- looking ---

    def _by_other_tools(self, content: str, reason: PeritusError) -> Path:
        found = self.find(content)
        if found is None:
            raise reason
        return found

    def _entries(self) -> Iterator[Path]:
        if self.root.is_dir():
            yield from (p for p in self.root.iterdir() if p.is_dir() and not p.name.startswith(_DRAFT))

    def _lock(self, key: str) -> Path:
        return self.root / f"{key}.lock"

    def _abandoned(self) -> Iterator[Path]:
        """Drafts whose key nobody holds; the lock is held while one is with the caller."""
        for draft in sorted(self.root.glob(f"{_DRAFT}*")):
            key = draft.name.removeprefix(_DRAFT).rpartition("-")[0]
            with suppress(CacheLockTimeout, OSError), exclusive(self._lock(key), 0):
                yield draft

    def _remove_drafts(self) -> None:
        for draft in self._abandoned():
            shutil.rmtree(draft, ignore_errors=True)


# --- what an entry holds ---


def is_whole(entry: Path) -> bool:
    """Whether a folder holds what was published, byte for byte. Files that came later do not matter."""
    try:
        recorded = json.loads((entry / _CONTENTS).read_text(encoding="utf-8"))
        # Sizes first: they tell of most damage without reading. An entry without files was never published.
        return (
            bool(recorded)
            and all(_size(entry / name) == size for name, (size, _) in recorded.items())
            and all(_hash(entry / name) == value for name, (_, value) in recorded.items())
        )
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return False


def _contents(folder: Path) -> dict[str, tuple[int, str]]:
    """Size and digest of every file; of a link, what it points at."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_symlink() or path.is_file())
    return {str(path.relative_to(folder)): (_size(path), _hash(path)) for path in files}


def _size(path: Path) -> int:
    return 0 if path.is_symlink() else path.stat().st_size


def _hash(path: Path) -> str:
    if path.is_symlink():
        return str(path.readlink())
    found = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            found.update(part)
    return found.hexdigest()


def _used(entry: Path) -> Path:
    with suppress(OSError):  # a cache that cannot be written forgets nothing either
        os.utime(entry)
    return entry


def _bytes(folder: Path) -> int:
    """Size of all files in `folder`, as far as other processes leave them there."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.lstat().st_size
    return total


# --- writing ---


def _sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _writing(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _NOT_WRITABLE:
            raise
        raise CacheNotWritable(
            f"the cache {root} does not have it and cannot be written ({error}): give this user the right to "
            "write there, or room, or have one who may run the same command first"
        ) from error


@contextmanager
def _unwinding() -> Iterator[None]:
    """SIGTERM and SIGHUP, which end a process where it stands, first unwind what is inside.

    In the main thread, and if nobody else handles them; elsewhere the next process removes the draft.
    """
    received: list[int] = []

    def unwind(number: int, _: object) -> None:
        if not received:
            received.append(number)
            raise _Ended

    ours: list[int] = []
    if threading.current_thread() is threading.main_thread():
        ours = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, unwind)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
        if received:
            os.kill(os.getpid(), received[0])


class _Ended(BaseException):
    """Unwinds the stack after a signal."""


@contextmanager
def exclusive(path: Path, timeout_s: float) -> Iterator[None]:
    """Hold an exclusive lock on `path`; the system releases it if this process dies.

    Raises:
        CacheLockTimeout: somebody else holds it for longer than `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise CacheLockTimeout(
                        f"lock {path} is held by another build for more than {timeout_s:g} s"
                    ) from None
                time.sleep(LOCK_POLL_S)
        yield
