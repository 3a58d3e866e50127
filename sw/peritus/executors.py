# SPDX-License-Identifier: Apache-2.0
"""Where many independent jobs run: processes of this machine, or a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from contextlib import contextmanager

from peritus.errors import PeritusError


class ClusterError(PeritusError):
    """The Dask cluster cannot be used."""


class WorkerLostError(PeritusError):
    """A process of the pool has ended by itself."""


@contextmanager
def workers(jobs: int, cluster: str | None) -> Iterator[Executor]:
    """Processes of this machine, or of a Dask cluster by its address. What has not begun when the block
    is left by an exception (an interrupt, say) is never begun.

    Raises:
        ClusterError: Dask is not installed, or nobody answers there.
        WorkerLostError: a process was killed, by the system for its memory mostly.
    """
    if cluster is None:
        pool = ProcessPoolExecutor(jobs)
        try:
            yield pool
        except BrokenExecutor as error:
            raise WorkerLostError(
                f"one of {jobs} processes was killed, mostly for want of memory: try fewer (--jobs)"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)
        return
    try:
        from distributed import Client

        client = Client(cluster, timeout="30s")
    except ImportError as error:
        raise ClusterError("--cluster needs Dask (its package distributed) on both sides") from error
    except (OSError, ValueError) as error:
        raise ClusterError(f"no Dask scheduler answers at {cluster}: {error}") from error
    with client:
        yield client.get_executor()
