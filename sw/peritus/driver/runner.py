# SPDX-License-Identifier: Apache-2.0
"""Frames of one bundle through an accelerator: buffers, guard windows, and a job queue that is kept full."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from peritus.driver.accelerator import QUEUE_DEPTH, Accelerator, Counters, Job, Window
from peritus.driver.errors import DeviceError
from peritus.driver.platform import Buffer, Limit, Platform
from peritus.program.bundle import ALIGNMENT, Bundle

IN_FLIGHT = QUEUE_DEPTH + 1  # the running job and those that wait behind it
_SEQUENCE_MASK = 0xFFFF_FFFF


@dataclass(frozen=True)
class Request:
    """One frame to run: uint8 [height, width, 3] as the bundle wants it, task by index, features or not."""

    image: NDArray[np.uint8]
    task: int
    features: bool


@dataclass(frozen=True)
class Frame:
    """One finished frame, in place: the arrays are valid until the next one is asked for.

    output, features: uint8, the device's buffers (features: None unless asked for).
    counters: None if another job finished before they could be read.
    """

    request: Request
    output: NDArray[np.uint8]
    features: NDArray[np.uint8] | None
    counters: Counters | None


class _Slots:
    """IN_FLIGHT equal parts of one buffer, so that one guard window covers exactly what is allocated."""

    def __init__(self, platform: Platform, size: int) -> None:
        self._size = size
        self._pitch = -(-size // ALIGNMENT) * ALIGNMENT
        self.buffer = platform.allocate(self._pitch * IN_FLIGHT)

    def address(self, slot: int) -> int:
        return self.buffer.address + slot * self._pitch

    def array(self, slot: int) -> NDArray[np.uint8]:
        return self.buffer.array[slot * self._pitch :][: self._size]


class FrameRunner:
    """Owns the buffers of a bundle on one accelerator.

    Args:
        limit: for each wait: loading the program, and each frame.

    Raises:
        PeritusError: no room for the buffers.
    """

    def __init__(self, platform: Platform, accelerator: Accelerator, bundle: Bundle, limit: Limit) -> None:
        self._accelerator = accelerator
        self._bundle = bundle
        self._limit = limit
        self._sequence = 0
        program = np.frombuffer(bundle.program, np.uint8)
        # Read in whole bursts: round up to what a burst must be aligned to.
        self._program = platform.allocate(-(-program.size // ALIGNMENT) * ALIGNMENT)
        self._weights = platform.allocate(bundle.weights.size)
        self._images = _Slots(platform, bundle.image_bytes)
        self._outputs = _Slots(platform, max(task.output_bytes for task in bundle.tasks))
        self._features = _Slots(platform, bundle.features.output_bytes)
        self._program.array[: program.size] = program
        self._weights.array[:] = bundle.weights
        self._program.flush()
        self._weights.flush()

    def _buffers(self) -> dict[Window, Buffer]:
        return {
            Window.PROGRAM: self._program,
            Window.WEIGHTS: self._weights,
            Window.IMAGE: self._images.buffer,
            Window.OUTPUT: self._outputs.buffer,
            Window.FEATURES: self._features.buffer,
        }

    def start(self) -> None:
        """Reset the device, give it exactly the allocated buffers, and load the program.

        Also the way back after any error. Raises as Accelerator.reset and load_program.
        """
        self._accelerator.reset()
        for window, buffer in self._buffers().items():
            self._accelerator.set_window(window, buffer.address, buffer.array.size)
        self._accelerator.load_program(
            self._program.address,
            len(self._bundle.instructions),
            len(self._bundle.fetches),
            self._weights.address,
            self._limit,
            self._bundle.describe,
        )

    def frames(self, requests: Iterable[Request]) -> Iterator[Frame]:
        """Run the frames in order, up to IN_FLIGHT at a time; a slow consumer does not stop the device.

        After an exception the device must be started again. Raises as Accelerator.wait_done.
        """
        pending = iter(requests)
        in_flight: deque[tuple[int, int, Request]] = deque()  # sequence, slot, request
        free = deque(range(IN_FLIGHT))
        while True:
            while free and (request := next(pending, None)) is not None:
                slot = free.popleft()
                in_flight.append((self._submit(slot, request), slot, request))
            if not in_flight:
                return
            done = self._accelerator.wait_done(self._limit)
            counters = self._accelerator.counters()
            finished = (done - in_flight[0][0] + 1) & _SEQUENCE_MASK
            if not 1 <= finished <= len(in_flight):
                raise DeviceError(f"job {done} finished, but {[s for s, _, _ in in_flight]} are running")
            for _ in range(finished):
                sequence, slot, request = in_flight.popleft()
                yield self._collect(slot, request, counters if sequence == done else None)
                free.append(slot)

    def _submit(self, slot: int, request: Request) -> int:
        self._sequence = (self._sequence + 1) & _SEQUENCE_MASK
        np.copyto(self._images.array(slot), request.image.reshape(-1))
        self._images.buffer.flush()
        features = self._features.address(slot) if request.features else None
        job = Job(
            self._images.address(slot), self._outputs.address(slot), features, request.task, self._sequence
        )
        self._accelerator.submit(job)
        return self._sequence

    def _collect(self, slot: int, request: Request, counters: Counters | None) -> Frame:
        self._outputs.buffer.invalidate()
        features = None
        if request.features:
            self._features.buffer.invalidate()
            features = self._features.array(slot)
        return Frame(request, self._outputs.array(slot), features, counters)

    def free(self) -> None:
        """Give the buffers back; the device must not be running."""
        for buffer in self._buffers().values():
            buffer.free()
