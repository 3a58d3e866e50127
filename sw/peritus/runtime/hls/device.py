# SPDX-License-Identifier: Apache-2.0
"""Device `hls`: a bundle's program on the compiled HLS twin, bit-exact, without a clock."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from peritus.arch.config import HwConfig
from peritus.bundle import Bundle
from peritus.bundle.bundle import EXEC_BYTES
from peritus.eda.csim import Binding, twin_library
from peritus.runtime.errors import NotLoaded
from peritus.runtime.frame_by_frame import Bytes, FrameByFrame, JobOutput
from peritus.runtime.hls.library import Status, TwinError, job_of, load_library, raise_fault
from peritus.runtime.writes import WriteRecords


@dataclass(eq=False)
class _Open:
    """A bundle on a machine of the library, where no job has run if it is cold.

    program, fetches, weights: external memory, uint8, whole beats.
    """

    bundle: Bundle
    machine: int
    program: Bytes
    fetches: Bytes
    weights: Bytes
    cold: bool = True


class HlsDevice(FrameByFrame):
    """peritus.runtime.Device by the compiled HLS twin.

    Runs raise TwinError if the program is wrong.

    Args:
        hw: the configuration; its twin is compiled on first use and cached.
        binding: what its integers are (peritus.eda.csim.Binding).

    Raises:
        ToolchainError, CacheError: the twin cannot be compiled. TwinError: or not loaded.
    """

    name = "hls"

    def __init__(self, hw: HwConfig, *, binding: Binding = Binding.FAST) -> None:
        super().__init__(hw)
        self.binding = binding
        self._lib = load_library(twin_library(hw, binding))
        if (found := self._lib.hls_config_hash()) != hw.hash64:
            raise TwinError(f"the HLS twin is of configuration {found:#018x}, {hw.name} is {hw.hash64:#018x}")
        self._open_one: _Open | None = None

    def record_writes(self, enable: bool = True) -> None:
        """Start (forgetting earlier records) or end the recording of on-chip memory writes."""
        self._lib.hls_trace_writes(self._opened().machine, enable)

    def written(self, memory: int) -> WriteRecords:
        """The recorded writes of memory number `memory` (peritus.arch.memories)."""
        words, record = ctypes.c_uint64(), ctypes.c_uint32()
        pointer = self._lib.hls_written(
            self._opened().machine, memory, ctypes.byref(words), ctypes.byref(record)
        )
        raw = np.ctypeslib.as_array(pointer, (words.value,)) if words.value else np.zeros(0, np.uint32)
        return WriteRecords.parse(raw, record.value)

    def _open(self, bundle: Bundle) -> None:
        beat, end = self.hw.axi_data_bytes, len(bundle.instructions) * EXEC_BYTES
        program, fetches = _beats(bundle.program[:end], beat), _beats(bundle.program[end:], beat)
        weights = np.ascontiguousarray(bundle.weights)
        self._open_one = _Open(bundle, self._lib.hls_create(), program, fetches, weights)

    def _close(self) -> None:
        if self._open_one is not None:
            self._lib.hls_destroy(self._open_one.machine)
        self._open_one = None

    def _opened(self) -> _Open:
        if self._open_one is None:
            raise NotLoaded(f"the {self.name} device has no bundle: call load() first")
        return self._open_one

    def _job(self, image: Bytes, task: int, features: bool) -> JobOutput:
        opened = self._opened()
        bundle = opened.bundle
        result = np.zeros(bundle.job_bytes(task), np.uint8)
        wanted = np.zeros(bundle.features.output_bytes if features else 0, np.uint8)
        status = Status()
        job = job_of(bundle, self.hw, task, features=features, cold=opened.cold)
        opened.cold = False
        buffers = (opened.program, opened.fetches, opened.weights, image, result, wanted)
        self._lib.hls_run(
            opened.machine, *(part.ctypes.data for part in buffers), ctypes.byref(job), ctypes.byref(status)
        )
        raise_fault(status, bundle)
        return JobOutput(result, wanted if features else None, status.weight_beats * self.hw.axi_data_bytes)


def _beats(data: bytes, beat: int) -> Bytes:
    """Padded to whole beats."""
    return np.frombuffer(data + bytes(-len(data) % beat), np.uint8)
