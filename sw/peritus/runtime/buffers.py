# SPDX-License-Identifier: Apache-2.0
"""Whose turn a frame buffer is: free, the caller's, or of a frame that is running."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from peritus.bundle.frame import FrameLayout
from peritus.runtime.errors import BufferUnavailable


def _start(array: NDArray[np.uint8]) -> int:
    """Where its first byte lies."""
    start: int = array.__array_interface__["data"][0]
    return start


class FrameBuffers:
    """Image buffers of a device, uint8 [height, width, channels]; a camera may take them from any thread.

    memory: what the device reads, uint8 [layout.bytes] per buffer. Where it holds plain images, a camera gets
    the memory itself, else an array of its own, which is copied when it is run.
    """

    def __init__(self, layout: FrameLayout, memory: Sequence[NDArray[np.uint8]]) -> None:
        self._layout, self._memory = layout, memory
        views = [
            part.reshape(layout.shape) if layout.plain else np.zeros(layout.shape, np.uint8)
            for part in memory
        ]
        self._views = views
        self._slots = {_start(view): slot for slot, view in enumerate(views)}
        self._free = deque(range(len(views)))
        self._held: set[int] = set()  # the caller's
        self._lock = threading.Lock()

    def lend(self) -> NDArray[np.uint8]:
        """A free one: the caller's until it is run or given back; BufferUnavailable if there is none."""
        with self._lock:
            slot = self._take()
            self._held.add(slot)
        return self._views[slot]

    def give_back(self, buffer: NDArray[np.uint8]) -> None:
        """Without running it; BufferUnavailable if it is not the caller's."""
        slot = self._slot_of(buffer)
        with self._lock:
            if slot is None or slot not in self._held:
                raise BufferUnavailable("not a frame buffer that was handed out and not yet run")
            self._held.remove(slot)
            self._free.append(slot)

    def claim(self, image: NDArray[np.uint8]) -> int:
        """The slot that holds the image for the device: its own, or a free one, filled by one copy."""
        slot = self._slot_of(image)
        with self._lock:
            fills = slot is None or not self._layout.plain
            if slot is None:
                slot = self._take()
            elif slot in self._held:
                self._held.remove(slot)
            elif slot in self._free:
                self._free.remove(slot)
            else:
                raise BufferUnavailable("this frame buffer belongs to a frame that is still running")
            if fills:
                self._layout.store(image, self._memory[slot])
        return slot

    def finished(self, slot: int) -> None:
        """The frame has run; a deque's append needs no lock."""
        self._free.append(slot)

    def recall(self) -> None:
        """All that are not the caller's are free: nothing runs any more."""
        with self._lock:
            self._free = deque(slot for slot in range(len(self._views)) if slot not in self._held)

    def _take(self) -> int:
        if not self._free:
            raise BufferUnavailable(
                f"all {len(self._views)} frame buffers are in use, {len(self._held)} of them by the caller"
            )
        return self._free.popleft()

    def _slot_of(self, image: NDArray[np.uint8]) -> int | None:
        """The frame buffer that `image` is all of, under whatever name; None if it is none."""
        slot = self._slots.get(_start(image))
        whole = slot is not None and image.flags.c_contiguous and image.shape == self._views[slot].shape
        return slot if whole else None
