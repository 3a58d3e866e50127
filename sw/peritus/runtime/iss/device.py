# SPDX-License-Identifier: Apache-2.0
"""Device `iss`: the bundle's program on the instruction set simulator, bit-exact, without a clock."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from peritus.arch.config import HwConfig
from peritus.bundle import Bundle
from peritus.runtime.base import BaseDevice, Request
from peritus.runtime.buffers import FrameBuffers
from peritus.runtime.device import Perf, Result, unpack_result
from peritus.runtime.driver.runner import FRAME_BUFFERS, IN_FLIGHT
from peritus.runtime.errors import NotLoaded
from peritus.runtime.iss.machine import Machine
from peritus.runtime.iss.memories import Bytes
from peritus.runtime.iss.trace import Trace

LONGEST_S = 600.0  # for a frame, which has no limit here; one of m3vit_tiny takes a second


class IssDevice(BaseDevice):
    """peritus.runtime.Device without hardware: integer NumPy, a frame of m3vit_tiny in seconds.

    Runs one frame after the other, but takes images as far ahead as the hardware's queue, into as many frame
    buffers: what works here works on a board. Runs raise ProgramError if the program is wrong.
    """

    name = "iss"

    def __init__(self, hw: HwConfig) -> None:
        super().__init__(hw, longest_s=LONGEST_S)
        self._machine: Machine | None = None
        self._frames: list[Bytes] = []
        self._trace: Trace | None = None

    def run_traced(self, image: npt.NDArray[np.uint8], *, task: str, features: bool, trace: Trace) -> Result:
        """Run one job and record every memory write in `trace`."""
        self._trace = trace
        try:
            return self.run(image, task=task, features=features)
        finally:
            self._trace = None

    def _install(self, bundle: Bundle) -> FrameBuffers:
        self._machine = Machine(bundle, self.hw)
        self._frames = [np.zeros(bundle.frame.bytes, np.uint8) for _ in range(FRAME_BUFFERS)]
        return FrameBuffers(bundle.frame, self._frames)

    def _start(self) -> None:
        if self._buffers is not None:
            self._buffers.recall()

    def _uninstall(self) -> None:
        self._machine = None
        self._frames = []

    def _jobs(self, bundle: Bundle, requests: Iterator[Request]) -> Iterator[Result]:
        if self._buffers is None or self._machine is None:
            raise NotLoaded(f"the {self.name} device has no bundle: call load() first")
        waiting: deque[tuple[int, Request]] = deque()
        while True:
            while len(waiting) < IN_FLIGHT and (request := next(requests, None)) is not None:
                waiting.append((self._buffers.claim(request.image), request))
            if not waiting:
                return
            slot, request = waiting.popleft()
            result = self._execute(self._machine, bundle, self._frames[slot], request)
            self._buffers.finished(slot)
            yield result

    def _execute(self, machine: Machine, bundle: Bundle, image: Bytes, request: Request) -> Result:
        start = time.perf_counter()
        job = machine.run(image, request.task, request.features, self._trace)
        perf = Perf(
            bytes_read=job.weight_bytes + bundle.frame.bytes,
            bytes_written=len(job.output) + (len(job.features) if job.features is not None else 0),
            seconds=time.perf_counter() - start,
        )
        return unpack_result(bundle, request.task, job.output, job.features, perf)
