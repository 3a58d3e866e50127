# SPDX-License-Identifier: Apache-2.0
"""The driver's platform over the link: registers, buffers in the board's memory, an interrupt by asking.

A buffer is host memory with a twin on the board. flush() compares checksums first and sends nothing that is
there already: weights that came with the bitstream cost one request.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from peritus.arch.link import WORD_BYTES
from peritus.runtime.driver.platform import BUFFER_ALIGNMENT, Buffer, Countdown
from peritus.runtime.serial.client import LinkClient
from peritus.runtime.serial.errors import LinkError


def whole(size: int, unit: int) -> int:
    """`size` rounded up to a multiple of `unit`."""
    return -(-size // unit) * unit


class LinkBuffer:
    """A range of the board's memory and its twin here.

    storage: uint8, the twin, whole words. size: bytes of it that count.
    """

    def __init__(self, platform: LinkPlatform, address: int, storage: NDArray[np.uint8], size: int) -> None:
        self._platform = platform
        self._storage = storage
        self.address = address
        self.array = storage[:size]

    def flush(self) -> None:
        """Send what was written here, unless the board has it. Raises LinkError."""
        client, data = self._platform.client, self._storage.tobytes()
        if client.checksum(self.address, len(data)) != zlib.crc32(data):
            client.write_memory(self.address, data, self._platform.progress)

    def invalidate(self) -> None:
        """Fetch what the device wrote. Raises LinkError."""
        data = self._platform.client.read_memory(self.address, self._storage.size)
        self._storage[:] = np.frombuffer(data, np.uint8)

    def part(self, start: int, size: int) -> LinkBuffer:
        """Bytes [start, start + size) of it; start must be a multiple of WORD_BYTES."""
        if start % WORD_BYTES:
            raise LinkError(f"part of a buffer at {start}, must be a multiple of {WORD_BYTES}")
        storage = self._storage[start : start + whole(size, WORD_BYTES)]
        return LinkBuffer(self._platform, self.address + start, storage, size)

    def free(self) -> None:
        """Give the memory back."""
        self._platform.release(self.address)


class LinkPlatform:
    """peritus.runtime.driver.platform.Platform at the other end of a link.

    Buffers are given out from address 0 upwards, so that a program and its weights, which come first, are
    where the bitstream put them. progress: told bytes sent and in all, for each buffer.
    """

    def __init__(self, client: LinkClient, progress: Callable[[int, int], None] | None = None) -> None:
        self.client = client
        self.progress = progress
        self._used: dict[int, int] = {}  # address -> size

    def read32(self, offset: int) -> int:
        """Register at byte `offset`. Raises LinkError."""
        return self.client.read_register(offset)

    def write32(self, offset: int, value: int) -> None:
        """Set the register at byte `offset`. Raises LinkError."""
        self.client.write_register(offset, value)

    def allocate(self, size: int) -> Buffer:
        """A buffer of `size` bytes, zeroed here, on the board by its first flush; LinkError: no room."""
        if size <= 0:
            raise LinkError(f"buffer of {size} bytes, must be at least 1")
        address = 0
        for start, used in sorted(self._used.items()):
            if address + size <= start:
                break
            address = whole(start + used, BUFFER_ALIGNMENT)
        if address + whole(size, WORD_BYTES) > self.client.memory_bytes:
            memory = self.client.memory_bytes
            free = memory - sum(self._used.values())
            raise LinkError(f"no room for {size} bytes: {free} of the board's {memory} are free")
        self._used[address] = whole(size, WORD_BYTES)
        return LinkBuffer(self, address, np.zeros(whole(size, WORD_BYTES), np.uint8), size)

    def release(self, address: int) -> None:
        """Make the room of the buffer at `address` available again; LinkError if there is none."""
        if self._used.pop(address, None) is None:
            raise LinkError(f"buffer at {address:#x} is not allocated")

    def wait_interrupt(self, left: Countdown) -> None:
        """Ask until the interrupt is high or nothing is left. Raises LinkError."""
        while not left.over:
            self.client.ping()
            if self.client.interrupt:
                return
