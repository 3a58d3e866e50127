# SPDX-License-Identifier: Apache-2.0
"""Frames of one bundle through an accelerator: buffers, guard windows, and a job queue that is kept full."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from peritus.bundle import ALIGNMENT, Bundle
from peritus.errors import PeritusError
from peritus.runtime.base import Request
from peritus.runtime.buffers import FrameBuffers
from peritus.runtime.driver.accelerator import QUEUE_DEPTH, Accelerator, Counters, Window
from peritus.runtime.driver.platform import Buffer, Limit, Memory, Platform
from peritus.runtime.errors import DeviceError

IN_FLIGHT = QUEUE_DEPTH + 1  # the running job and those that wait behind it
FRAME_BUFFERS = IN_FLIGHT + 1  # a camera fills one more meanwhile
_SEQUENCE_MASK = 0xFFFF_FFFF
_LOST: list[list[Buffer]] = []  # of devices that did not stop


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


def _allocate(platform: Platform, size: int) -> Buffer:
    buffer = platform.allocate(size)
    if buffer.array.size != size or buffer.address % ALIGNMENT:
        text = f"{buffer.array.size} bytes at {buffer.address:#x}"
        buffer.free()
        raise DeviceError(f"the platform gave {text}, asked for {size}, aligned to {ALIGNMENT}")
    return buffer


class _Slots:
    """Equal parts of one buffer, so that one guard window covers exactly what is allocated.

    Whole cache lines (ALIGNMENT bytes): what is done to the caches for one part leaves the others alone.
    """

    def __init__(self, platform: Platform, count: int, size: int) -> None:
        pitch = -(-size // ALIGNMENT) * ALIGNMENT
        self.buffer = _allocate(platform, pitch * count)
        self.parts: list[Memory] = [self.buffer.part(slot * pitch, size) for slot in range(count)]


class FrameRunner:
    """Owns the buffers of a bundle on one accelerator.

    buffers: the images among them, which the device reads in place.

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
        self._done: int | None = None  # the last job reported
        self._windows: dict[Window, Buffer] = {}
        try:
            self._make_buffers(platform)
        except BaseException:
            self._give_back()
            raise
        self.buffers = FrameBuffers(bundle.frame, [part.array for part in self._images])
        self._places = [
            [
                accelerator.place(image.address, output.address, features.address)
                for output, features in zip(self._outputs, self._features, strict=True)
            ]
            for image in self._images
        ]

    def _make_buffers(self, platform: Platform) -> None:
        bundle = self._bundle
        # The program is read in whole bursts: round up to what a burst must be aligned to.
        program = np.frombuffer(bundle.program, np.uint8)
        self._fill(platform, Window.PROGRAM, -(-program.size // ALIGNMENT) * ALIGNMENT, program)
        self._fill(platform, Window.WEIGHTS, bundle.weights.size, bundle.weights)
        self._images = self._parts(platform, Window.IMAGE, FRAME_BUFFERS, bundle.frame.bytes)
        self._outputs = self._parts(platform, Window.OUTPUT, IN_FLIGHT, bundle.output_bytes)
        self._features = self._parts(platform, Window.FEATURES, IN_FLIGHT, bundle.features.output_bytes)

    def _fill(self, platform: Platform, window: Window, size: int, content: NDArray[np.uint8]) -> None:
        buffer = self._windows[window] = _allocate(platform, size)
        buffer.array[: content.size] = content
        buffer.flush()

    def _parts(self, platform: Platform, window: Window, count: int, size: int) -> list[Memory]:
        slots = _Slots(platform, count, size)
        self._windows[window] = slots.buffer
        return slots.parts

    def start(self) -> None:
        """Reset the device, give it exactly the allocated buffers, and load the program.

        Also the way back after any error. Raises as Accelerator.reset and load_program.
        """
        self._accelerator.reset()
        self._done = None
        self.buffers.recall()
        for window, buffer in self._windows.items():
            self._accelerator.set_window(window, buffer.address, buffer.array.size)
        self._accelerator.load_program(
            self._windows[Window.PROGRAM].address,
            len(self._bundle.instructions),
            len(self._bundle.fetches),
            self._windows[Window.WEIGHTS].address,
            self._limit,
            self._bundle.describe,
        )

    # --- frames ---

    def frames(self, requests: Iterable[Request]) -> Iterator[Frame]:
        """Run the frames in order, up to IN_FLIGHT at a time; a slow consumer does not stop the device.

        After an exception, and if not all frames are taken, the device must be started again.
        Raises as Accelerator.wait_done.
        """
        pending = iter(requests)
        in_flight: deque[tuple[int, int, int, Request]] = deque()  # sequence, image and output slot, request
        free = deque(range(IN_FLIGHT))
        while True:
            while free and (request := next(pending, None)) is not None:
                image, output = self.buffers.claim(request.image), free.popleft()
                in_flight.append((self._submit(image, output, request), image, output, request))
            if not in_flight:
                return
            done, counters = self._accelerator.wait_done(self._limit, self._done)
            self._done = done
            finished = (done - in_flight[0][0] + 1) & _SEQUENCE_MASK
            if not 1 <= finished <= len(in_flight):
                raise DeviceError(f"job {done} finished, but {[job[0] for job in in_flight]} are running")
            for _ in range(finished):
                sequence, image, output, request = in_flight.popleft()
                self.buffers.finished(image)
                yield self._collect(output, request, counters if sequence == done else None)
                free.append(output)

    def _submit(self, image: int, output: int, request: Request) -> int:
        self._sequence = (self._sequence + 1) & _SEQUENCE_MASK
        self._images[image].flush()
        place = self._places[image][output]
        self._accelerator.submit(place, request.task, self._sequence, request.features)
        return self._sequence

    def _collect(self, slot: int, request: Request, counters: Counters | None) -> Frame:
        output = self._outputs[slot]
        output.invalidate()
        if not request.features:
            return Frame(request, output.array, None, counters)
        features = self._features[slot]
        features.invalidate()
        return Frame(request, output.array, features.array, counters)

    def free(self) -> None:
        """Stop the device and give the buffers back.

        A device that cannot be stopped may still write: its buffers are kept for good.
        """
        try:
            self._accelerator.reset()
        except DeviceError:
            _LOST.append(list(self._windows.values()))
        except PeritusError:
            self._give_back()  # the device is gone
        else:
            self._give_back()
        self._windows.clear()

    def _give_back(self) -> None:
        for buffer in self._windows.values():
            buffer.free()
