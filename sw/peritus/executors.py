# SPDX-License-Identifier: Apache-2.0
"""Where many independent jobs run: processes of this machine, or a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager

from peritus.errors import PeritusError


class ClusterError(PeritusError):
    """The Dask cluster cannot be used."""


@contextmanager
def workers(jobs: int, cluster: str | None) -> Iterator[Executor]:
    """Processes of this machine, or of a Dask cluster by its address.

    Raises:
        ClusterError: Dask is not installed, or nobody answers there.
    """
    if cluster is None:
        with ProcessPoolExecutor(jobs) as pool:
            yield pool
        return
    try:
        from distributed import Client

        client = Client(cluster, timeout="30s")
    except ImportError as error:
        raise ClusterError("--cluster needs Dask on both sides: pip install distributed") from error
    except (OSError, ValueError) as error:
        raise ClusterError(f"no Dask scheduler answers at {cluster}: {error}") from error
    with client:
        yield client.get_executor()
