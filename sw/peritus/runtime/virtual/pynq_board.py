# SPDX-License-Identifier: Apache-2.0
"""A Zynq UltraScale+ board for PYNQ whose programmable logic is the simulated RTL.

PYNQ runs on it unmodified, and on PYNQ the driver. It has registers (of the accelerator, the interrupt
controller and the clock generators), contiguous memory behind caches that are not coherent and evict lines
whenever the processor touches a register, and a UIO device for the interrupt. Needs PYNQ.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from pynq.buffer import PynqBuffer

from peritus.arch import ip
from peritus.arch.config import HwConfig
from peritus.eda.verilator.build import BuildProgress
from peritus.runtime.rtl.device import build_rtl
from peritus.runtime.rtl.errors import SimulationError
from peritus.runtime.rtl.platform import MEMORY_BASE, BufferPool
from peritus.runtime.rtl.power_up import PowerUp
from peritus.runtime.rtl.simulation import DdrParameters, Simulation
from peritus.runtime.virtual.caches import LINE, SETS, CachedMemory
from peritus.runtime.virtual.soc import CLOCK_GENERATORS, IO_PLL, Event, Soc

MEMORY_BYTES = 128 << 20
ACCESS_CYCLES = 256  # that pass for each register access of the processor
STEP_CYCLES = 20_000  # simulated at once while an interrupt is waited for


class SimulatedBoard(Soc):
    """See above. Its bitstreams are written by pynq_soc.write_bitstream.

    memory: uint8 [memory_bytes], what the accelerator sees at bus address memory_base.

    Args:
        memory_bytes: that PYNQ can allocate.
        ddr: memory timing; default: what the configuration assumes.
        power_up: of the programmable logic, at each configure(); default: random by a new seed.
        progress: told how far the build of a simulator is.
    """

    def __init__(
        self,
        *,
        memory_bytes: int = MEMORY_BYTES,
        ddr: DdrParameters | None = None,
        power_up: PowerUp | None = None,
        progress: Callable[[BuildProgress], None] | None = None,
    ) -> None:
        super().__init__(REGISTER_RW=True)
        self._ddr = ddr
        self._power_up = power_up
        self._progress = progress
        self.memory = np.zeros(memory_bytes, np.uint8)
        self.memory_base = MEMORY_BASE
        self._pool = BufferPool(self.memory, MEMORY_BASE)
        self._cached: dict[int, CachedMemory] = {}  # by bus address
        self._rng = np.random.default_rng(0)
        self._simulation: Simulation | None = None
        self._clocks = {base + n: 0 for base, size in CLOCK_GENERATORS.items() for n in range(0, size, 4)}
        self._clocks[IO_PLL[0]] = IO_PLL[1]
        self._waiting: list[Event] = []
        self._running = False  # a step is due as soon as the event loop runs
        self._access = threading.RLock()  # the simulation belongs to one thread at a time

    @property
    def simulation(self) -> Simulation:
        """The design in the programmable logic; SimulationError while there is none."""
        if self._simulation is None:
            raise SimulationError("no bitstream has been loaded")
        return self._simulation

    @property
    def allocated(self) -> int:
        """Bytes of memory that PYNQ has given out."""
        return self._pool.used

    def close(self) -> None:
        """Power off."""
        with self._access:
            self._waiting.clear()
            if self._simulation is not None:
                self._simulation.close()
            self._simulation = None

    def configure(self, hw: HwConfig) -> None:
        """Power up a simulation of the configuration; built if it is not in the cache."""
        library = build_rtl(hw, progress=self._progress)
        with self._access:
            self.close()
            self._simulation = Simulation(
                library,
                self.memory,
                base=MEMORY_BASE,
                ports=hw.axi_ports,
                ddr=self._ddr or DdrParameters.of(hw.ddr),
                power_up=self._power_up,
            )
            self._simulation.reset()

    # --- registers ---

    def read_registers(self, address: int, length: int) -> bytes:
        """PYNQ's MMIO reads a word; SimulationError where there is nothing."""
        with self._access:
            return self._read(address).to_bytes(length, "little")

    def _read(self, address: int) -> int:
        if 0 <= (offset := address - ip.REGISTER_BASE) < ip.REGISTER_BYTES:
            value = self.simulation.read32(offset)
            self._pass_time()
            return value
        if 0 <= (offset := address - ip.CONTROLLER_BASE) < ip.CONTROLLER_BYTES:
            return self.controller.read(offset)
        if address in self._clocks:
            return self._clocks[address]
        raise SimulationError(f"read of {address:#x}: nothing is there")

    def write_registers(self, address: int, data: bytes) -> None:
        """PYNQ's MMIO writes a word; SimulationError where there is nothing."""
        value = int.from_bytes(data, "little")
        with self._access:
            if 0 <= (offset := address - ip.REGISTER_BASE) < ip.REGISTER_BYTES:
                self.simulation.write32(offset, value)
                self._pass_time()
            elif 0 <= (offset := address - ip.CONTROLLER_BASE) < ip.CONTROLLER_BYTES:
                self.controller.write(offset, value)
            elif address in self._clocks:
                self._clocks[address] = value
            else:
                raise SimulationError(f"write of {address:#x}: nothing is there")

    def _pass_time(self, cycles: int = ACCESS_CYCLES) -> None:
        self.simulation.run(cycles)
        self.controller.drive(self.simulation.irq)
        number = int(self._rng.integers(SETS))
        for memory in list(self._cached.values()):  # a buffer may be given back meanwhile
            memory.evict(number)

    # --- memory ---

    def allocate(self, shape: Any, dtype: Any, **kwargs: Any) -> Any:
        """PYNQ's buffer in the simulated memory; RuntimeError, as PYNQ's, if it is full."""
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        try:
            ddr = self._pool.allocate(-(-count // LINE) * LINE)
        except SimulationError as error:
            raise RuntimeError(f"BO allocation failed: {error}") from error
        cached = self._cached[ddr.address] = CachedMemory(ddr.array, self._rng)
        buffer = PynqBuffer(
            shape,
            dtype,
            device=self,
            device_address=ddr.address,
            bo=cached,
            buffer=cached.array,
            coherent=False,
        )

        def give_back() -> None:
            del self._cached[ddr.address]
            self._pool.free(ddr)

        weakref.finalize(buffer, give_back)
        return buffer

    def flush(self, bo: CachedMemory, offset: int, ptr: int, size: int) -> None:
        """Caches to memory."""
        with self._access:
            bo.flush(offset, size)

    def invalidate(self, bo: CachedMemory, offset: int, ptr: int, size: int) -> None:
        """The processor sees what is in memory."""
        with self._access:
            bo.invalidate(offset, size)

    # --- interrupt: what PYNQ expects of a UIO device ---

    def add_event(self, event: Event, number: int) -> None:
        """Tell `event` of the next interrupt. Called in the event loop, in which the time passes then."""
        self._waiting.append(event)
        loop = asyncio.get_running_loop()
        if not self._running:
            self._running = True
            loop.call_soon(self._run, loop)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Simulate a step; tell those that wait if it ended with an interrupt."""
        self._running = False
        with self._access:
            if self._simulation is None or not self._waiting:
                return
            self._pass_time(STEP_CYCLES)
            interrupted = self.controller.output
        if interrupted:
            events, self._waiting = self._waiting, []
            for event in events:
                event.set()
        elif not self._running:
            self._running = True
            loop.call_soon(self._run, loop)
