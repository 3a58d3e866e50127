# SPDX-License-Identifier: Apache-2.0
"""What the driver needs from where it runs: registers, buffers that the device can reach, and an interrupt.

`peritus.runtime.rtl.platform` implements it over the simulated design, `peritus.runtime.pynq.ip` over PYNQ.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

BUFFER_ALIGNMENT = 4096


@dataclass(frozen=True)
class Limit:
    """How long to wait: wall-clock seconds, and device cycles where the platform counts them."""

    seconds: float
    cycles: int | None = None

    def __str__(self) -> str:
        cycles = "" if self.cycles is None else f"{self.cycles:,} cycles or "
        return f"{cycles}{self.seconds:g} s"


class Countdown:
    """What is left of a limit, however often waiting is interrupted.

    cycles: left, None where they are not limited; platforms that count cycles lower it.
    """

    __slots__ = ("_deadline", "cycles")

    def __init__(self, limit: Limit) -> None:
        self._deadline = time.monotonic() + limit.seconds
        self.cycles = limit.cycles

    @property
    def seconds(self) -> float:
        """Wall-clock time left, at least 0."""
        return max(0.0, self._deadline - time.monotonic())

    @property
    def over(self) -> bool:
        """Nothing is left."""
        return self.cycles == 0 or time.monotonic() >= self._deadline


class Memory(Protocol):
    """A range of memory shared with the device."""

    @property
    def address(self) -> int:
        """Bus address of the first byte."""
        ...

    @property
    def array(self) -> NDArray[np.uint8]:
        """The bytes, uint8 [size], in place."""
        ...

    def flush(self) -> None:
        """Make what the host wrote visible to the device."""
        ...

    def invalidate(self) -> None:
        """Make what the device wrote visible to the host."""
        ...


class Buffer(Memory, Protocol):
    """Memory of its own, aligned to BUFFER_ALIGNMENT."""

    def part(self, start: int, size: int) -> Memory:
        """Bytes [start, start + size) of it, to be flushed and invalidated by themselves."""
        ...

    def free(self) -> None:
        """Give the memory back."""
        ...


class Platform(Protocol):
    """Registers, memory and interrupt of one accelerator."""

    def read32(self, offset: int) -> int:
        """Register at byte `offset`."""
        ...

    def write32(self, offset: int, value: int) -> None:
        """Set the register at byte `offset`."""
        ...

    def allocate(self, size: int) -> Buffer:
        """A zeroed buffer of `size` bytes; PeritusError if there is no room."""
        ...

    def wait_interrupt(self, left: Countdown) -> None:
        """Let the device work until its interrupt is high or nothing is left; may return early."""
        ...
