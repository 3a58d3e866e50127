# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime for graphs that come from outside: memory and time of a run are bounded.

A graph of some hundred bytes may ask for terabytes (`Expand`) or never end (`Loop`); both end in an exception
here. So may the inference of its shapes, which asks no allocator: graphs of others are opened in a process of
their own first (`probe`).
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
MEMORY = 4 << 30  # bytes of all tensors of all sessions together
SECONDS = 120.0  # of one run
OPENING = 3 << 30  # bytes of address space of a process that opens a graph, beside copies of the graph
PROBE = f"""
import sys, onnxruntime
model = sys.stdin.buffer.read()
try:
    import resource
    limit = {OPENING} + 4 * len(model)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
except ImportError:  # there is none on Windows
    pass
onnxruntime.InferenceSession(
    model, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
)
"""


def probe(model: bytes, seconds: float = SECONDS) -> None:
    """Open a graph once in a process of its own, whose memory is bounded.

    Raises:
        TimeoutError: it took longer than `seconds`.
        MemoryError: it needs more than OPENING. Any other fault is left to `OnnxSession`, which names it.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE], input=model, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"not open after {seconds:g} s") from None
    if done.returncode < 0 or b"bad_alloc" in done.stderr or b"MemoryError" in done.stderr:
        raise MemoryError(f"its shapes alone need more than {OPENING >> 30} GiB")


class OnnxSession:
    """One ONNX Runtime session; `run` may be called from any thread.

    Args:
        model: the graph, serialized.
        as_written: execute every node as it is, without fusions.
    Raises:
        ImportError: ONNX Runtime is not installed.
        Exception: it refuses the graph; its classes have no common base.
    """

    def __init__(self, model: bytes, *, as_written: bool = False) -> None:
        import onnxruntime

        _bound_memory()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors come as exceptions
        options.add_session_config_entry("session.use_env_allocators", "1")
        if as_written:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        with _memory_named():
            self._session: Any = onnxruntime.InferenceSession(
                model,
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=["ConstantFolding"],  # it asks no allocator
            )
        self.inputs: list[str] = [item.name for item in self._session.get_inputs()]
        self.outputs: list[str] = [item.name for item in self._session.get_outputs()]

    def run(
        self, outputs: Sequence[str] | None, feed: Mapping[str, Array], seconds: float = SECONDS
    ) -> list[Any]:
        """Some outputs, None for all.

        Raises:
            TimeoutError: it took longer than `seconds`.
            MemoryError: its tensors need more than MEMORY.
            Exception: a node fails; ONNX Runtime's classes have no common base.
        """
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.log_severity_level = 4
        _watchdog()
        _RUNNING[id(options)] = (time.monotonic() + seconds, options)
        try:
            with _memory_named():
                found: list[Any] = self._session.run(
                    None if outputs is None else list(outputs), dict(feed), options
                )
        except Exception:
            if options.terminate:
                raise TimeoutError(f"not done after {seconds:g} s") from None
            raise
        finally:
            del _RUNNING[id(options)]
        return found


_RUNNING: dict[int, tuple[float, Any]] = {}  # deadline and options of every run in progress


@lru_cache(maxsize=1)
def _watchdog() -> threading.Thread:
    """One thread for all runs: a timer for each would cost twenty times what a small graph does."""

    def watch() -> None:
        while True:
            time.sleep(0.2)
            now = time.monotonic()
            for deadline, options in list(_RUNNING.values()):
                if now > deadline:
                    options.terminate = True

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@contextmanager
def _memory_named() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # no class of its own: the allocator's file is in the text
        if "bfc_arena" in str(error):
            raise MemoryError(f"its tensors need more than {MEMORY >> 30} GiB") from None
        raise


@lru_cache(maxsize=1)
def _bound_memory() -> None:
    """One allocator of this process for all sessions."""
    import onnxruntime

    onnxruntime.create_and_register_allocator(
        onnxruntime.OrtMemoryInfo(
            "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
        ),
        # extended by what is asked, not by powers of two: the bound holds to the byte
        onnxruntime.OrtArenaCfg({"max_mem": MEMORY, "arena_extend_strategy": 1}),
    )
