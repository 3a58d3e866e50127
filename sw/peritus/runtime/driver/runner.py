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
from peritus.runtime.driver.accelerator import QUEUE_DEPTH, Accelerator, Counters, Window
from peritus.runtime.driver.errors import BufferUnavailable, DeviceError
from peritus.runtime.driver.platform import Buffer, Limit, Memory, Platform

IN_FLIGHT = QUEUE_DEPTH + 1  # the running job and those that wait behind it
FRAME_BUFFERS = IN_FLIGHT + 1  # a camera fills one more meanwhile
_SEQUENCE_MASK = 0xFFFF_FFFF
_LOST: list[list[Buffer]] = []  # of devices that did not stop


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


def _allocate(platform: Platform, size: int) -> Buffer:
    buffer = platform.allocate(size)
    if buffer.array.size != size or buffer.address % ALIGNMENT:
        text = f"{buffer.array.size} bytes at {buffer.address:#x}"
        buffer.free()
        raise DeviceError(f"the platform gave {text}, asked for {size}, aligned to {ALIGNMENT}")
    return buffer


def _start(array: NDArray[np.uint8]) -> int:
    """Where its first byte lies."""
    start: int = array.__array_interface__["data"][0]
    return start


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
        shape = (bundle.image_height, bundle.image_width, 3)
        self._views = [part.array.reshape(shape) for part in self._images]
        self._slots = {_start(view): slot for slot, view in enumerate(self._views)}
        self._places = [
            [
                accelerator.place(image.address, output.address, features.address)
                for output, features in zip(self._outputs, self._features, strict=True)
            ]
            for image in self._images
        ]
        self._free_images = deque(range(FRAME_BUFFERS))
        self._held: set[int] = set()  # handed out by buffer()

    def _make_buffers(self, platform: Platform) -> None:
        bundle = self._bundle
        # The program is read in whole bursts: round up to what a burst must be aligned to.
        program = np.frombuffer(bundle.program, np.uint8)
        self._fill(platform, Window.PROGRAM, -(-program.size // ALIGNMENT) * ALIGNMENT, program)
        self._fill(platform, Window.WEIGHTS, bundle.weights.size, bundle.weights)
        outputs = max(task.output_bytes for task in bundle.tasks)
        self._images = self._parts(platform, Window.IMAGE, FRAME_BUFFERS, bundle.image_bytes)
        self._outputs = self._parts(platform, Window.OUTPUT, IN_FLIGHT, outputs)
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
        self._free_images = deque(slot for slot in range(FRAME_BUFFERS) if slot not in self._held)
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

    # --- image buffers ---

    def buffer(self) -> NDArray[np.uint8]:
        """A free image buffer, uint8 [height, width, 3], that the device reads in place.

        It is the caller's until it is run as a request's image, or given back.

        Raises:
            BufferUnavailable: all FRAME_BUFFERS are in use.
        """
        slot = self._take_image()
        self._held.add(slot)
        return self._views[slot]

    def release(self, buffer: NDArray[np.uint8]) -> None:
        """Give back what buffer() returned without running it; BufferUnavailable if it is not held."""
        slot = self._slot_of(buffer)
        if slot is None or slot not in self._held:
            raise BufferUnavailable("not a frame buffer that was handed out and not yet run")
        self._held.remove(slot)
        self._free_images.append(slot)

    def _slot_of(self, image: NDArray[np.uint8]) -> int | None:
        """The frame buffer that `image` is all of, under whatever name; None if it is none."""
        slot = self._slots.get(_start(image))
        whole = slot is not None and image.flags.c_contiguous and image.shape == self._views[slot].shape
        return slot if whole else None

    def _take_image(self) -> int:
        if not self._free_images:
            raise BufferUnavailable(
                f"all {FRAME_BUFFERS} frame buffers are in use, {len(self._held)} of them by the caller"
            )
        return self._free_images.popleft()

    def _image_slot(self, image: NDArray[np.uint8]) -> int:
        """The buffer that holds the image for the device: its own, or a free one, filled by one copy."""
        slot = self._slot_of(image)
        if slot is None:
            slot = self._take_image()
            np.copyto(self._views[slot], image)
        elif slot in self._held:
            self._held.remove(slot)
        elif slot in self._free_images:
            self._free_images.remove(slot)
        else:
            raise BufferUnavailable("this frame buffer belongs to a frame that is still running")
        return slot

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
                image, output = self._image_slot(request.image), free.popleft()
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
                self._free_images.append(image)
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
