# SPDX-License-Identifier: Apache-2.0
"""A board for PYNQ with a null device in its programmable logic: what PYNQ and the driver cost. Needs PYNQ.

Registers are memory-mapped, as on a board; time is that of null_platform.HostClock.
"""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from null_platform import NullRegisters
from pynq.buffer import PynqBuffer

from peritus.arch import ip
from peritus.arch.config import HwConfig
from peritus.runtime.driver.platform import BUFFER_ALIGNMENT
from peritus.runtime.virtual.soc import CLOCK_GENERATORS, IO_PLL, AxiInterruptController, Event, Soc


class _Words:
    """The interrupt controller's registers, one word per item."""

    def __init__(self, controller: AxiInterruptController) -> None:
        self._controller = controller

    def __getitem__(self, index: int) -> int:
        return self._controller.read(4 * index)

    def __setitem__(self, index: int, value: int) -> None:
        self._controller.write(4 * index, int(value))


class NullBoard(Soc):
    """See above. Its jobs take `service_s`; its bitstreams are written by pynq_soc.write_bitstream."""

    def __init__(self, service_s: float) -> None:
        super().__init__(MEMORY_MAPPED=True)
        self._service_s = service_s
        self._maps: dict[int, Any] = {
            base: np.zeros(size // 4, np.uint32) for base, size in CLOCK_GENERATORS.items()
        }
        address, value = IO_PLL
        base = max(base for base in CLOCK_GENERATORS if base <= address)
        self._maps[base][(address - base) // 4] = value
        self._waiting: list[Event] = []
        self._next = BUFFER_ALIGNMENT

    def configure(self, hw: HwConfig) -> None:
        """Power up a null device of the configuration."""
        self.registers = NullRegisters(hw, self._service_s)
        self._maps[ip.REGISTER_BASE] = self.registers
        self._maps[ip.CONTROLLER_BASE] = _Words(self.controller)

    def mmap(self, base_addr: int, length: int) -> Any:
        """Registers as an array of words."""
        return self._maps[base_addr]

    def allocate(self, shape: Any, dtype: Any, **kwargs: Any) -> Any:
        """PYNQ's buffer; addresses are never used again."""
        memory = np.zeros(int(np.prod(shape)) * np.dtype(dtype).itemsize, np.uint8)
        address = self._next
        self._next += -(-memory.size // BUFFER_ALIGNMENT + 1) * BUFFER_ALIGNMENT
        return PynqBuffer(
            shape, dtype, device=self, device_address=address, bo=None, buffer=memory, coherent=False
        )

    def flush(self, bo: None, offset: int, ptr: int, size: int) -> None:
        """Nothing to do."""

    def invalidate(self, bo: None, offset: int, ptr: int, size: int) -> None:
        """Nothing to do."""

    def add_event(self, event: Event, number: int) -> None:
        """Tell `event` when the running job has ended, which is as soon as everybody waits for it."""
        self._waiting.append(event)
        asyncio.get_running_loop().call_soon(self._interrupt)

    def _interrupt(self) -> None:
        end = self.registers.next_interrupt()
        if end is None:
            return
        self.registers.clock.wait_until(end)
        self.controller.drive(True)
        if self.controller.output:
            events, self._waiting = self._waiting, []
            for event in events:
                event.set()
