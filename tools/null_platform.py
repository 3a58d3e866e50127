# SPDX-License-Identifier: Apache-2.0
"""A device that computes nothing: registers that behave, jobs that take a given time. Measures the driver."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from peritus.arch import registers as reg
from peritus.arch.config import ABI_VERSION, HwConfig
from peritus.arch.registers import Offset
from peritus.runtime.driver.accelerator import QUEUE_DEPTH
from peritus.runtime.driver.platform import BUFFER_ALIGNMENT, Buffer, Countdown

_WORDS = 0x1000 // 4
_CONTROL, _STATUS, _IRQ = Offset.CONTROL // 4, Offset.STATUS // 4, Offset.IRQ_STATUS // 4
_SEQUENCE, _SUBMIT, _DONE = Offset.JOB_SEQ // 4, Offset.JOB_SUBMIT // 4, Offset.DONE_SEQ // 4


class HostClock:
    """Time that passes with the work of this process, and while it waits for the device.

    So the load of the machine does not count, and nobody sleeps.
    """

    def __init__(self) -> None:
        self._waited = 0.0

    def now(self) -> float:
        """Seconds."""
        return time.process_time() + self._waited

    def wait_until(self, moment: float) -> None:
        """Waiting without work."""
        self._waited += max(0.0, moment - self.now())


class NullRegisters(list[int]):
    """The accelerator's register block, one word per item, as a memory map of it would be.

    service_s: from the start of a job to its end. A job starts when the one before has ended and the queue
    has it, as in hardware: who lets the queue run dry loses time. 0: jobs end when somebody looks, each for
    itself.
    """

    def __init__(self, hw: HwConfig, service_s: float = 0.0) -> None:
        super().__init__([0] * _WORDS)
        self.clock = HostClock()
        self._service_s = service_s
        self._ends: deque[tuple[float, int]] = deque()  # of the jobs submitted: when, sequence number
        self._free_at = 0.0
        self[Offset.ID // 4] = reg.ID_VALUE
        self[Offset.ABI_VERSION // 4] = ABI_VERSION
        self[Offset.CONFIG_HASH_LO // 4] = hw.hash64 & 0xFFFF_FFFF
        self[Offset.CONFIG_HASH_HI // 4] = hw.hash64 >> 32

    def next_interrupt(self) -> float | None:
        """When the interrupt will be high, by the clock; None if nothing is running."""
        if super().__getitem__(_IRQ):
            return 0.0
        return self._ends[0][0] if self._ends else None

    def __getitem__(self, index: int) -> int:  # type: ignore[override]
        """A register word."""
        if index in (_IRQ, _DONE, _STATUS) and self._ends:
            if self._service_s:
                self._pass_time()
            elif index == _IRQ and not super().__getitem__(_IRQ):
                self._finish()
        return super().__getitem__(index)

    def __setitem__(self, index: int, value: int) -> None:  # type: ignore[override]
        """Write a register word; commands take effect."""
        if index == _IRQ:
            super().__setitem__(_IRQ, super().__getitem__(_IRQ) & ~value)
        elif index == _SUBMIT:
            self._submit()
        elif index == _CONTROL:
            self._ends.clear()
            if value & reg.CONTROL_LOAD_PROGRAM.mask:
                super().__setitem__(_IRQ, reg.IRQ_STATUS_PROGRAM_LOADED.mask)
        else:
            super().__setitem__(index, value)

    def _submit(self) -> None:
        now = self.clock.now()
        if sum(end > now for end, _ in self._ends) > QUEUE_DEPTH:
            super().__setitem__(_IRQ, super().__getitem__(_IRQ) | reg.IRQ_STATUS_REFUSED.mask)
            return
        self._free_at = max(now, self._free_at) + self._service_s
        self._ends.append((self._free_at, super().__getitem__(_SEQUENCE)))

    def _pass_time(self) -> None:
        """Finish the jobs that have ended by now."""
        now = self.clock.now()
        while self._ends and self._ends[0][0] <= now:
            self._finish()
        waiting = max(0, len(self._ends) - 1)
        super().__setitem__(_STATUS, reg.STATUS_QUEUE_LEVEL.word(min(waiting, QUEUE_DEPTH)))

    def _finish(self) -> None:
        _, sequence = self._ends.popleft()
        super().__setitem__(_DONE, sequence)
        super().__setitem__(_IRQ, super().__getitem__(_IRQ) | reg.IRQ_STATUS_DONE.mask)


@dataclass(frozen=True, eq=False)
class NullBuffer:
    """Plain memory with an address."""

    address: int
    array: NDArray[np.uint8]

    def flush(self) -> None:
        """Nothing to do."""

    def invalidate(self) -> None:
        """Nothing to do."""

    def part(self, start: int, size: int) -> NullBuffer:
        """Bytes [start, start + size) of it."""
        return NullBuffer(self.address + start, self.array[start : start + size])

    def free(self) -> None:
        """Nothing to do."""


class NullPlatform:
    """peritus.runtime.driver.platform.Platform of a NullRegisters device."""

    def __init__(self, registers: NullRegisters) -> None:
        self.registers = registers
        self._next = BUFFER_ALIGNMENT

    def read32(self, offset: int) -> int:
        """Register at byte `offset`."""
        return self.registers[offset >> 2]

    def write32(self, offset: int, value: int) -> None:
        """Set the register at byte `offset`."""
        self.registers[offset >> 2] = value

    def allocate(self, size: int) -> Buffer:
        """A zeroed buffer; addresses are never used again."""
        address = self._next
        self._next += -(-size // BUFFER_ALIGNMENT + 1) * BUFFER_ALIGNMENT
        return NullBuffer(address, np.zeros(size, np.uint8))

    def wait_interrupt(self, left: Countdown) -> None:
        """Wait until the running job ends."""
        end = self.registers.next_interrupt()
        if end is not None:
            self.registers.clock.wait_until(end)
