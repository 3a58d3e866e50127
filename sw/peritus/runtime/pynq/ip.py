# SPDX-License-Identifier: Apache-2.0
"""The driver's platform on PYNQ: registers and interrupt of the IP in an overlay, memory from pynq.allocate.

Needs PYNQ; import it inside the function that has a board.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pynq
from numpy.typing import NDArray

from peritus.arch import ip
from peritus.arch.registers import Offset
from peritus.runtime.driver.errors import BoardError
from peritus.runtime.driver.platform import Buffer, Countdown
from peritus.runtime.pynq.event_loop import InterruptWait, PrivateLoop

POLL_S = 0.0002  # between two looks at the device where there is no interrupt
LOOK_S = 0.1  # ... and where there is one: none is trusted to arrive
_IRQ_STATUS = Offset.IRQ_STATUS // 4


class PeritusIP(pynq.DefaultIP):  # type: ignore[misc]
    """What an overlay offers for the accelerator's cell: PYNQ binds it by the IP's VLNV.

    `register_map` names every register and field. Frames go through peritus.open_device("pynq").
    """

    bindto = [ip.VLNV]  # noqa: RUF012 (PYNQ's interface)

    @property
    def interrupt(self) -> Any:
        """pynq.Interrupt of the cell, None if the overlay or the board has none."""
        return getattr(self, ip.INTERRUPT, None)


class PynqMemory:
    """A peritus.runtime.driver.platform.Memory that is a pynq.buffer.PynqBuffer, or a part of one."""

    def __init__(self, buffer: Any) -> None:
        self._buffer = buffer
        self.address = int(buffer.device_address)
        # The plain array's base is the PYNQ buffer: nobody's view outlives the memory.
        self.array: NDArray[np.uint8] = buffer.view(np.ndarray)

    def flush(self) -> None:
        """Write the processor's caches back."""
        self._buffer.flush()

    def invalidate(self) -> None:
        """Drop what the processor's caches hold."""
        self._buffer.invalidate()

    def part(self, start: int, size: int) -> PynqMemory:
        """Bytes [start, start + size) of it."""
        return PynqMemory(self._buffer[start : start + size])

    def free(self) -> None:
        """Nothing to do: PYNQ gives the memory back with the last array that uses it.

        Its own freebuffer() would unmap it under the arrays that a caller still holds.
        """


class PynqPlatform:
    """peritus.runtime.driver.platform.Platform of an overlay's accelerator.

    Args:
        cell: the overlay's PeritusIP, made in `loop` (its interrupt belongs to the loop that it is made in).
        interrupts: False to poll, as where the overlay has no interrupt.
    """

    def __init__(self, cell: PeritusIP, loop: PrivateLoop, *, interrupts: bool = True) -> None:
        interrupt = cell.interrupt if interrupts else None
        self._interrupt = None if interrupt is None else InterruptWait(loop, interrupt)
        self._device = cell.device
        self._registers = cell.mmio.array  # one word per item; MMIO.read and write take several times as long

    @property
    def has_interrupt(self) -> bool:
        """Waits for interrupts; else polls."""
        return self._interrupt is not None

    def read32(self, offset: int) -> int:
        """Register at byte `offset`."""
        return int(self._registers[offset >> 2])

    def write32(self, offset: int, value: int) -> None:
        """Set the register at byte `offset`."""
        self._registers[offset >> 2] = value

    def allocate(self, size: int) -> Buffer:
        """A zeroed buffer of `size` bytes of contiguous memory; BoardError if there is none."""
        try:
            buffer = pynq.allocate((size,), dtype="u1", target=self._device, cacheable=True)
        except (RuntimeError, MemoryError, OSError) as error:
            raise BoardError(f"no {size} bytes of contiguous memory (CMA): {error}") from error
        buffer[:] = 0
        buffer.flush()  # a line that is still dirty when the device writes can overwrite that any time later
        return PynqMemory(buffer)

    def close(self) -> None:
        """Wait for nothing any more."""
        if self._interrupt is not None:
            self._interrupt.close()

    def wait_interrupt(self, left: Countdown) -> None:
        """Wait for the interrupt, or poll; returns early if the interrupt does not come within LOOK_S."""
        if self._interrupt is not None:
            try:
                self._interrupt.wait(min(left.seconds, LOOK_S))
            except RuntimeError:
                self._interrupt = None  # PYNQ has given it up: the process has loaded another overlay
        else:
            while not left.over and not self._registers[_IRQ_STATUS]:
                time.sleep(POLL_S)
