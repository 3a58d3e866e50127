# SPDX-License-Identifier: Apache-2.0
"""Scenes on disk: files of SHARD scenes each, written whole or not at all.

A shard is one .npy of records (image, semseg, depth) and behind it, where readers of .npy do not look, the
SHA-256 of all before. It is made under a temporary name and renamed, so that a file with its final name is
complete: after an interruption, and with several writers of the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from rich.progress import track

from peritus.evaluation.workers import end_with_parent
from quant_models.data.dataset import DataError
from quant_models.data.scenes.resize import shrink
from quant_models.data.scenes.scene import generate

SHARD = 64  # scenes per file
DIGEST = 32  # bytes behind the records
BLOCK = 1 << 22  # bytes that are hashed at a time

Records = npt.NDArray[Any]


def record(height: int, width: int) -> np.dtype[Any]:
    """One scene as stored. Depth in float16 loses nothing: generate() rounds to it."""
    return np.dtype(
        [
            ("image", np.uint8, (height, width, 3)),
            ("semseg", np.uint8, (height, width)),
            ("depth", np.float16, (height, width)),
        ]
    )


def open_shard(path: Path, height: int, width: int) -> tuple[Records, str] | None:
    """Memory map [SHARD] of records, and their hash; None where there is no whole, intact shard at `path`."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END) - DIGEST
            if found.shape != (SHARD,) or found.dtype != record(height, width) or size != _size(found):
                return None
            file.seek(0)
            digest = hashlib.sha256()
            for first in range(0, size, BLOCK):
                digest.update(file.read(min(BLOCK, size - first)))
            return (found, digest.hexdigest()) if file.read() == digest.digest() else None
    except Exception:  # damaged in any way, its header too, which is parsed as Python: it is generated again
        return None


def _size(records: Records) -> int:
    """Bytes of the .npy file of a memory map."""
    assert isinstance(records, np.memmap)
    return int(records.offset) + records.nbytes


def write_shard(path: Path, first_seed: int, height: int, width: int) -> None:
    """Generate the scenes of seeds first_seed .. first_seed + SHARD - 1 and store them at `path`.

    Raises:
        DataError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot make the cache folder {path.parent}: {error}") from error
    records = np.empty(SHARD, record(height, width))
    for index in range(SHARD):
        sample = shrink(generate(first_seed + index), height, width)
        records[index] = (sample.image, sample.targets["semseg"], sample.targets["depth"])
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as file:
            content = io.BytesIO()
            np.save(content, records, allow_pickle=False)
            file.write(content.getbuffer())
            file.write(hashlib.sha256(content.getbuffer()).digest())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"cannot store generated scenes at {path}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_missing(jobs: list[tuple[Path, int]], height: int, width: int, workers: int) -> None:
    """write_shard() for each (path, first seed), in `workers` processes, with a progress bar."""
    if not jobs:
        return
    for _ in track(
        _run(jobs, height, width, workers), f"Generating scenes {height}x{width}", total=len(jobs)
    ):
        pass


def _run(jobs: list[tuple[Path, int]], height: int, width: int, workers: int) -> Iterator[None]:
    if workers <= 1 or len(jobs) == 1:
        for path, seed in jobs:
            write_shard(path, seed, height, width)
            yield
        return
    # Spawned, not forked: the caller may already run the threads of PyTorch.
    processes = min(workers, len(jobs))
    with ProcessPoolExecutor(processes, get_context("spawn"), end_with_parent) as pool:
        pending: list[Future[None]] = [
            pool.submit(write_shard, path, seed, height, width) for path, seed in jobs
        ]
        try:
            for done in as_completed(pending):
                done.result()
                yield
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
