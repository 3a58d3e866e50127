# SPDX-License-Identifier: Apache-2.0
"""The driver's platform over the simulated design: registers, and buffers in the simulated memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from peritus.runtime.driver.platform import BUFFER_ALIGNMENT, Buffer, Countdown
from peritus.runtime.rtl.errors import SimulationError
from peritus.runtime.rtl.simulation import Simulation

MEMORY_BASE = 0x8_0000_0000  # above 4 GB, as memory is on the boards
CYCLES_PER_LOOK = 20_000  # between two looks at the clock on the wall
SAMPLE_CYCLES = 500  # between two looks at the ports, while they are sampled


class PortSample(NamedTuple):
    """Bytes that each port has read by a cycle of the simulation."""

    cycle: int
    read: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class SimulatedBuffer:
    """A part of the simulated memory; host and device see the same bytes at all times."""

    owner: BufferPool
    address: int
    array: NDArray[np.uint8]

    def flush(self) -> None:
        """Nothing to do: there are no caches."""

    def invalidate(self) -> None:
        """Nothing to do: there are no caches."""

    def part(self, start: int, size: int) -> SimulatedBuffer:
        """Bytes [start, start + size) of it."""
        return SimulatedBuffer(self.owner, self.address + start, self.array[start : start + size])

    def free(self) -> None:
        """Give the memory back."""
        self.owner.free(self)


class BufferPool:
    """First-fit allocation in one array; an unused page between buffers keeps their windows apart."""

    def __init__(self, memory: NDArray[np.uint8], base: int) -> None:
        self._memory = memory
        self._base = base
        self._used: dict[int, int] = {}  # offset -> size

    def allocate(self, size: int) -> SimulatedBuffer:
        """A zeroed buffer; SimulationError if no gap is large enough."""
        if size <= 0:
            raise SimulationError(f"buffer of {size} bytes, must be at least 1")
        start = 0
        for offset, used in sorted(self._used.items()):
            if start + size + BUFFER_ALIGNMENT <= offset:
                break
            start = -(-(offset + used) // BUFFER_ALIGNMENT) * BUFFER_ALIGNMENT + BUFFER_ALIGNMENT
        if start + size > self._memory.size:
            free = self._memory.size - self.used
            raise SimulationError(
                f"simulated memory: no room for {size} bytes, {free} of {self._memory.size} are free"
            )
        self._used[start] = size
        array = self._memory[start : start + size]
        array[:] = 0
        return SimulatedBuffer(self, self._base + start, array)

    @property
    def used(self) -> int:
        """Bytes allocated."""
        return sum(self._used.values())

    def free(self, buffer: SimulatedBuffer) -> None:
        """Make the room of `buffer` available again; SimulationError if it is not allocated."""
        if self._used.pop(buffer.address - self._base, None) is None:
            raise SimulationError(f"buffer at {buffer.address:#x} is not allocated")


class RtlPlatform:
    """peritus.runtime.driver.platform.Platform over a `Simulation`.

    Args:
        simulation: its memory is `memory` at bus address MEMORY_BASE.
    """

    def __init__(self, simulation: Simulation, memory: NDArray[np.uint8]) -> None:
        self.simulation = simulation
        self.samples: list[PortSample] = []
        self._sampling = False
        self._pool = BufferPool(memory, MEMORY_BASE)

    def read32(self, offset: int) -> int:
        """Register at byte `offset`."""
        return self.simulation.read32(offset)

    def write32(self, offset: int, value: int) -> None:
        """Set the register at byte `offset`."""
        self.simulation.write32(offset, value)

    def sample_ports(self, enable: bool = True) -> None:
        """Start (forgetting earlier samples) or end looking at what the ports have read."""
        self._sampling = enable
        if enable:
            self.samples = []
            self._sample()

    def _sample(self) -> None:
        self.samples.append(PortSample(self.simulation.cycles, self.simulation.traffic().read))

    def allocate(self, size: int) -> Buffer:
        """A zeroed buffer of `size` bytes; SimulationError if the simulated memory is full."""
        return self._pool.allocate(size)

    def wait_interrupt(self, left: Countdown) -> None:
        """Simulate until the interrupt is high or nothing of the limit is left."""
        while not left.over:
            look = SAMPLE_CYCLES if self._sampling else CYCLES_PER_LOOK
            step = look if left.cycles is None else min(look, left.cycles)
            done = self.simulation.run(step)
            if self._sampling:
                self._sample()
            if done:
                return
            if left.cycles is not None:
                left.cycles -= step
