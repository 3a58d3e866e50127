# SPDX-License-Identifier: Apache-2.0
"""Bytes as a file, for readers that want a path."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file_of(data: bytes, suffix: str = "") -> Iterator[Path]:
    """A file with this content, which goes at the end; in memory, where there is a folder for that."""
    memory = "/dev/shm"
    with tempfile.NamedTemporaryFile(suffix=suffix, dir=memory if Path(memory).is_dir() else None) as file:
        file.write(data)
        file.flush()
        yield Path(file.name)
