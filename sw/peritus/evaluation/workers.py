# SPDX-License-Identifier: Apache-2.0
"""Processes that each hold a model, and results in the order of the jobs."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as ResultTimeout
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path
from typing import TypeVar

from peritus.errors import PeritusError

Job = TypeVar("Job")
Answer = TypeVar("Answer")

JOB_SECONDS = 600  # a job takes fractions of a second
AHEAD = 2  # jobs per worker that are read before the first of them is answered


class WorkerError(PeritusError):
    """A worker process died, or is silent; says what may have happened."""


def default_workers() -> int:
    """One for each core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    function: Callable[[Job], Answer],
    jobs: Iterable[Job],
    workers: int,
    initializer: Callable[..., None],
    arguments: tuple[object, ...],
) -> Iterator[Answer]:
    """`function` of every job, in order, reading few jobs ahead: memory does not grow with their number.

    initializer(*arguments) prepares each worker. One worker is this process itself.

    Raises:
        WorkerError: a worker died or gave no answer for 10 minutes. What `function` raises.
    """
    if workers == 1:
        initializer(*arguments)
        yield from map(function, jobs)
        return
    pending: deque[Future[Answer]] = deque()
    context = multiprocessing.get_context("spawn")  # forking a process with BLAS threads can deadlock
    with (
        _environment(_worker_environment()),
        ProcessPoolExecutor(workers, context, _prepare, (initializer, arguments)) as pool,
    ):
        try:
            for job in jobs:
                pending.append(pool.submit(function, job))
                if len(pending) >= AHEAD * workers:
                    yield pending.popleft().result(JOB_SECONDS)
            while pending:
                yield pending.popleft().result(JOB_SECONDS)
        except BrokenProcessPool as error:
            raise WorkerError(
                "a worker process died (out of memory, or killed); try fewer workers"
            ) from error
        except ResultTimeout as error:
            for process in multiprocessing.active_children():
                process.terminate()
            raise WorkerError(f"a worker gave no answer for {JOB_SECONDS} s") from error
        finally:
            for future in pending:
                future.cancel()


def end_with_parent() -> None:
    """For a worker's initializer: it ends with the process that started it, however that ends.

    By itself it would wait for jobs for good: workers hold both ends of the pipe that jobs come through.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _prepare(initializer: Callable[..., None], arguments: tuple[object, ...]) -> None:
    end_with_parent()
    initializer(*arguments)


def _worker_environment() -> dict[str, str]:
    """One BLAS thread each; memory kept by the process instead of given back after every array.

    OpenBLAS knows processors by their model numbers and takes newer ones for a Pentium 4: name one of equal
    instructions, unless the user did.
    """
    found = {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_TRIM_THRESHOLD_": str(1 << 28),
        "MALLOC_TOP_PAD_": str(1 << 26),
    }
    information = Path("/proc/cpuinfo")
    flags = set(information.read_text().split()) if information.is_file() else set()
    if {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"} <= flags:
        found["OPENBLAS_CORETYPE"] = "SkylakeX"
    elif {"avx2", "fma"} <= flags:
        found["OPENBLAS_CORETYPE"] = "Haswell"
    return found


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set variables that are not set, for processes started meanwhile."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
