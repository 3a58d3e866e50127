# SPDX-License-Identifier: Apache-2.0
"""What the driver needs from where it runs: registers, buffers that the device can reach, and an interrupt.

`peritus.devices.rtl` implements it over the simulated design, a board over its memory-mapped registers.
"""

from __future__ import annotations

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


class Buffer(Protocol):
    """Memory shared with the device, aligned to BUFFER_ALIGNMENT."""

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
        """A buffer of `size` bytes; PeritusError if there is no room."""
        ...

    def wait_interrupt(self, limit: Limit) -> bool:
        """Let the device work until its interrupt is high; False if `limit` is over first."""
        ...
