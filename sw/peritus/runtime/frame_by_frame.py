# SPDX-License-Identifier: Apache-2.0
"""Devices that compute one frame after the other in this process, without a clock."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from peritus.arch.config import HwConfig
from peritus.bundle import Bundle
from peritus.runtime.base import BaseDevice, Request
from peritus.runtime.buffers import FrameBuffers
from peritus.runtime.device import Perf, Result, unpack_result
from peritus.runtime.driver.runner import FRAME_BUFFERS, IN_FLIGHT
from peritus.runtime.errors import NotLoaded

Bytes = NDArray[np.uint8]
LONGEST_S = 600.0  # for a frame, which has no limit here; one of m3vit_tiny takes a second


@dataclass(frozen=True, eq=False)
class JobOutput:
    """Buffers after a job: uint8. features is None if they were not asked for. weight_bytes: streamed."""

    output: Bytes
    features: Bytes | None
    weight_bytes: int


class FrameByFrame(BaseDevice):
    """Takes images as far ahead as the hardware's queue, into as many frame buffers: what works here works
    on a board."""

    def __init__(self, hw: HwConfig) -> None:
        super().__init__(hw, longest_s=LONGEST_S)
        self._frames: list[Bytes] = []

    # --- for the subclass ---

    @abstractmethod
    def _open(self, bundle: Bundle) -> None:
        """Make what runs jobs of the bundle; nothing is open."""

    @abstractmethod
    def _close(self) -> None:
        """Give it back; harmless if nothing is open."""

    @abstractmethod
    def _job(self, image: Bytes, task: int, features: bool) -> JobOutput:
        """Run one. image: uint8 [frame.bytes], as FrameLayout has it."""

    # --- BaseDevice ---

    def _install(self, bundle: Bundle) -> FrameBuffers:
        self._open(bundle)
        self._frames = [np.zeros(bundle.frame.bytes, np.uint8) for _ in range(FRAME_BUFFERS)]
        return FrameBuffers(bundle.frame, self._frames)

    def _start(self) -> None:
        if self._buffers is not None:
            self._buffers.recall()

    def _uninstall(self) -> None:
        self._close()
        self._frames = []

    def _jobs(self, bundle: Bundle, requests: Iterator[Request]) -> Iterator[Result]:
        if self._buffers is None:
            raise NotLoaded(f"the {self.name} device has no bundle: call load() first")
        waiting: deque[tuple[int, Request]] = deque()
        while True:
            while len(waiting) < IN_FLIGHT and (request := next(requests, None)) is not None:
                waiting.append((self._buffers.claim(request.image), request))
            if not waiting:
                return
            slot, request = waiting.popleft()
            result = self._execute(bundle, self._frames[slot], request)
            self._buffers.finished(slot)
            yield result

    def _execute(self, bundle: Bundle, image: Bytes, request: Request) -> Result:
        start = time.perf_counter()
        job = self._job(image, request.task, request.features)
        perf = Perf(
            bytes_read=job.weight_bytes + bundle.frame.bytes,
            bytes_written=len(job.output) + (len(job.features) if job.features is not None else 0),
            seconds=time.perf_counter() - start,
        )
        return unpack_result(bundle, request.task, job.output, job.features, perf)
