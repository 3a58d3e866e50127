# SPDX-License-Identifier: Apache-2.0
"""A running simulation of a FINN module: beats in, beats out, cycles counted."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from peritus.finn.errors import SimulatorError
from peritus.finn.packing import Words
from peritus.finn.verilator.build import Design
from peritus.finn.verilator.ports import Stream

_STOPPED = (1 << 64) - 1
T = TypeVar("T")


@functools.cache
def _library(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    handle, u64, words = ctypes.c_void_p, ctypes.c_uint64, ctypes.POINTER(ctypes.c_void_p)
    counts = ctypes.POINTER(u64)
    library.finn_open.restype, library.finn_open.argtypes = handle, [ctypes.c_uint32]
    library.finn_close.restype, library.finn_close.argtypes = None, [handle]
    library.finn_reset.restype, library.finn_reset.argtypes = None, [handle]
    library.finn_run.restype = u64
    library.finn_run.argtypes = [handle, words, counts, words, counts, counts, u64, ctypes.c_uint32]
    return library


class Engine:
    """One instance of a design, out of reset. ticks: cycles run so far.

    FINN calls it SimEngine and hands it from `load_sim_obj` to `rtlsim_multi_io`.
    """

    def __init__(self, design: Design, seed: int = 1) -> None:
        self.design = design
        self.ticks = 0
        self._library = _library(design.library)
        self._handle: int | None = self._library.finn_open(seed)

    def reset(self) -> None:
        """Sixteen cycles of reset."""
        self._library.finn_reset(self._open())

    def close(self) -> None:
        """Free it; once is enough, twice does no harm."""
        if self._handle is not None:
            self._library.finn_close(self._handle)
            self._handle = None

    def run(
        self,
        inputs: Mapping[str, Words],
        outputs: Mapping[str, int],
        *,
        patience: int,
        stall: int = 0,
    ) -> tuple[dict[str, Words], int]:
        """Stream all beats of `inputs` in and the given numbers of beats out.

        Args:
            inputs: uint32 [beats, words] by stream name.
            patience: cycles without any beat moving after which the design counts as stopped.
            stall: chance of 256 that a stream begins a pause in a cycle; some pauses are long.

        Returns:
            The beats by stream name, and the cycles from the first beat offered to the last taken.

        Raises:
            SimulatorError: no stream of that name, or the design stopped; says how many beats came.
        """
        handle = self._open()
        ports = self.design.ports
        taken = _by_name(self.design.top, "input", ports.inputs, inputs)
        given = _by_name(self.design.top, "output", ports.outputs, outputs)
        data_in = [
            np.zeros((0, stream.words), np.uint32) if words is None else _checked(words, stream)
            for stream, words in zip(ports.inputs, taken, strict=True)
        ]
        beats_out = [count or 0 for count in given]
        data_out = [
            np.zeros((max(count, 1), stream.words), np.uint32)
            for stream, count in zip(ports.outputs, beats_out, strict=True)
        ]
        done = (ctypes.c_uint64 * len(data_out))()
        cycles = self._library.finn_run(
            handle,
            _pointers(data_in),
            (ctypes.c_uint64 * max(len(data_in), 1))(*(len(words) for words in data_in)),
            _pointers(data_out),
            (ctypes.c_uint64 * len(data_out))(*beats_out),
            done,
            patience,
            stall,
        )
        if cycles == _STOPPED:
            came = ", ".join(
                f"{count} of {wanted} beats of {stream.name}"
                for stream, count, wanted in zip(ports.outputs, done, beats_out, strict=True)
            )
            raise SimulatorError(
                f"module {self.design.top!r} stopped: nothing moved for {patience} cycles, and {came} came; "
                "a FIFO on a path beside another is too short, or the inputs are incomplete"
            )
        self.ticks += int(cycles)
        found = {
            stream.name: words[:count]
            for stream, words, count in zip(ports.outputs, data_out, beats_out, strict=True)
        }
        return found, int(cycles)

    def _open(self) -> int:
        if self._handle is None:
            raise SimulatorError(f"the simulation of {self.design.top!r} is closed; load it again")
        return self._handle


def _by_name(top: str, way: str, streams: Sequence[Stream], given: Mapping[str, T]) -> list[T | None]:
    unknown = set(given) - {stream.name for stream in streams}
    if unknown:
        names = ", ".join(stream.name for stream in streams)
        raise SimulatorError(f"module {top!r} has no {way} stream {sorted(unknown)[0]!r}; there are: {names}")
    return [given.get(stream.name) for stream in streams]


def _checked(words: Words, stream: Stream) -> Words:
    if words.ndim != 2 or words.shape[1] != stream.words or words.dtype != np.uint32:
        raise SimulatorError(
            f"stream {stream.name!r} has beats of {stream.words} words of uint32, "
            f"not {words.dtype} {words.shape}"
        )
    return np.ascontiguousarray(words)


def _pointers(arrays: Sequence[Words]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * max(len(arrays), 1))(*(array.ctypes.data for array in arrays))
