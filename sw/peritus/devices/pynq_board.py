# SPDX-License-Identifier: Apache-2.0
"""A Zynq UltraScale+ board for PYNQ whose programmable logic is the simulated RTL.

PYNQ's own Overlay, MMIO, allocate, Interrupt and Clocks run on it unmodified, and on them the driver. It has
what they touch: registers (of the accelerator, the interrupt controller and the clock generators), contiguous
memory behind caches that are not coherent, and a UIO device for the interrupt. Needs PYNQ.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pynq
from numpy.typing import NDArray
from pynq.buffer import PynqBuffer
from pynq.interrupt import _InterruptController
from pynq.ps import Clocks
from pynqmetadata.frontends import Metadata
from pynqmetadata.views.runtime import RuntimeMetadataParser

from peritus.devices.rtl import build_rtl
from peritus.devices.rtl_platform import MEMORY_BASE, BufferPool, SimulatedBuffer
from peritus.devices.simulation import DdrParameters, Simulation, SimulationError
from peritus.hw import ip
from peritus.hw.config import HwConfig, load_config
from peritus.hw.emit_hwh import hardware_handoff
from peritus.toolchain.build import BuildProgress

MEMORY_BYTES = 128 << 20
ACCESS_CYCLES = 64  # that pass for each register access of the processor
STEP_CYCLES = 20_000  # simulated at once while an interrupt is waited for
IDLE_S = 1.0  # the clock stops so long after the last access, to leave the host's processor alone
_IRQ = 121  # of pl_ps_irq0[0]
_MARK = "peritus simulated bitstream: "
_CLOCKS = {0xFF5E_0000: 0x100, 0xFD1A_0000: 0x100}  # CRL_APB, CRF_APB: base -> bytes
_IO_PLL = 0xFF5E_0020, 90 << 8 | 1 << 16  # IOPLL_CTRL: 33.3 MHz x 90 / 2
_numbers = itertools.count()


class Event(Protocol):
    """Something to be told of an interrupt."""

    def set(self) -> None:
        """It has come."""
        ...


def write_bitstream(folder: Path, hw: HwConfig, **metadata: str) -> Path:
    """A `bitstream` for SimulatedBoard with its .hwh, as peritus_<hw>.bit in `folder`.

    metadata: of peritus.hw.emit_hwh.hardware_handoff.
    """
    path = folder / ip.bitstream_name(hw)
    path.write_text(_MARK + hw.name)
    path.with_suffix(".hwh").write_text(hardware_handoff(hw, **metadata))
    return path


class _AxiInterruptController:
    """Xilinx AXI INTC with one level input: the registers that PYNQ uses."""

    ISR, IPR, IER, IAR, SIE, CIE, MER = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x1C

    def __init__(self) -> None:
        self._level = False
        self._pending = self._enabled = self._master = 0

    def drive(self, level: bool) -> None:
        """Level of the input; seen once, it stays pending until acknowledged."""
        self._level = level
        self._pending |= int(level)

    @property
    def output(self) -> bool:
        return self._master == 3 and bool(self._pending & self._enabled)

    def read(self, offset: int) -> int:
        values = {
            self.ISR: self._pending,
            self.IPR: self._pending & self._enabled,
            self.IER: self._enabled,
            self.MER: self._master,
        }
        return values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        if offset == self.IAR:
            self._pending &= ~value
            self.drive(self._level)
        elif offset == self.IER:
            self._enabled = value & 1
        elif offset == self.SIE:
            self._enabled |= value & 1
        elif offset == self.CIE:
            self._enabled &= ~value
        elif offset == self.MER:
            self._master = value & 3


@dataclass(frozen=True, eq=False)
class _Storage:
    """Memory of one buffer: as the device sees it, and as the processor sees it through its caches."""

    ddr: SimulatedBuffer
    cached: NDArray[np.uint8]


class SimulatedBoard(pynq.Device):  # type: ignore[misc]
    """See above. Its bitstreams are written by write_bitstream.

    Args:
        ddr: memory timing; default: what the configuration assumes.
        progress: told how far the build of a simulator is.
    """

    def __init__(
        self,
        *,
        ddr: DdrParameters | None = None,
        progress: Callable[[BuildProgress], None] | None = None,
    ) -> None:
        super().__init__(f"peritus_simulated_{os.getpid()}_{next(_numbers)}")
        self.capabilities = {"REGISTER_RW": True}
        self.arch = "aarch64"
        self.name = self.tag
        self._ddr = ddr
        self._progress = progress
        self._memory = np.zeros(MEMORY_BYTES, np.uint8)
        self._pool = BufferPool(self._memory, MEMORY_BASE)
        self._simulation: Simulation | None = None
        self._controller = _AxiInterruptController()
        self._clocks = {base + n: 0 for base, size in _CLOCKS.items() for n in range(0, size, 4)}
        self._clocks[_IO_PLL[0]] = _IO_PLL[1]
        self._waiting: list[Event] = []
        self._running = False
        self._accessed = time.monotonic()
        self._access = threading.RLock()  # the simulation belongs to one thread at a time
        _InterruptController._uio_devices[_IRQ] = self
        Clocks.__dict__.get("_real_instance") and delattr(Clocks, "_real_instance")

    @property
    def simulation(self) -> Simulation:
        """The design in the programmable logic; SimulationError while there is none."""
        if self._simulation is None:
            raise SimulationError("no bitstream has been loaded")
        return self._simulation

    def close(self) -> None:
        """Power off."""
        with self._access:
            self._waiting.clear()
            if self._simulation is not None:
                self._simulation.close()
            self._simulation = None

    # --- bitstreams ---

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        """What PYNQ's own parser makes of the .hwh, as on a board."""
        return RuntimeMetadataParser(Metadata(input=str(Path(bitfile_name).with_suffix(".hwh"))))

    def download(self, bitstream: Any, parser: Any = None) -> None:
        """Make the programmable logic what the bitstream says, freshly powered up."""
        text = Path(bitstream.bitfile_name).read_text(errors="replace")
        if not text.startswith(_MARK):
            raise SimulationError(f"{bitstream.bitfile_name} is no bitstream of the simulated board")
        hw = load_config(text.removeprefix(_MARK).strip())
        library = build_rtl(hw, progress=self._progress)
        with self._access:
            self.close()
            self._controller = _AxiInterruptController()
            self._simulation = Simulation(
                library,
                self._memory,
                base=MEMORY_BASE,
                ports=hw.axi_ports,
                ddr=self._ddr or DdrParameters.of(hw.ddr),
            )
            self._simulation.reset()
        super().post_download(bitstream, parser)

    # --- registers ---

    def read_registers(self, address: int, length: int) -> bytes:
        """PYNQ's MMIO reads a word; SimulationError where there is nothing."""
        with self._access:
            self._accessed = time.monotonic()
            return self._read(address).to_bytes(length, "little")

    def _read(self, address: int) -> int:
        if 0 <= (offset := address - ip.REGISTER_BASE) < ip.REGISTER_BYTES:
            value = self.simulation.read32(offset)
            self._pass_time()
            return value
        if 0 <= (offset := address - ip.CONTROLLER_BASE) < ip.CONTROLLER_BYTES:
            return self._controller.read(offset)
        if address in self._clocks:
            return self._clocks[address]
        raise SimulationError(f"read of {address:#x}: nothing is there")

    def write_registers(self, address: int, data: bytes) -> None:
        """PYNQ's MMIO writes a word; SimulationError where there is nothing."""
        value = int.from_bytes(data, "little")
        with self._access:
            self._accessed = time.monotonic()
            if 0 <= (offset := address - ip.REGISTER_BASE) < ip.REGISTER_BYTES:
                self.simulation.write32(offset, value)
                self._pass_time()
            elif 0 <= (offset := address - ip.CONTROLLER_BASE) < ip.CONTROLLER_BYTES:
                self._controller.write(offset, value)
            elif address in self._clocks:
                self._clocks[address] = value
            else:
                raise SimulationError(f"write of {address:#x}: nothing is there")

    def _pass_time(self) -> None:
        self.simulation.run(ACCESS_CYCLES)
        self._controller.drive(self.simulation.irq)

    # --- memory ---

    def allocate(self, shape: Any, dtype: Any, **kwargs: Any) -> Any:
        """PYNQ's buffer in the simulated memory; RuntimeError, as PYNQ's, if it is full."""
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        try:
            ddr = self._pool.allocate(count)
        except SimulationError as error:
            raise RuntimeError(f"BO allocation failed: {error}") from error
        storage = _Storage(ddr, np.zeros(count, np.uint8))
        buffer = PynqBuffer(
            shape,
            dtype,
            device=self,
            device_address=ddr.address,
            bo=storage,
            buffer=storage.cached,
            coherent=False,
        )
        weakref.finalize(buffer, self._pool.free, ddr)
        return buffer

    def flush(self, bo: _Storage, offset: int, ptr: int, size: int) -> None:
        """Caches to memory."""
        with self._access:
            bo.ddr.array[offset : offset + size] = bo.cached[offset : offset + size]

    def invalidate(self, bo: _Storage, offset: int, ptr: int, size: int) -> None:
        """The processor sees what is in memory."""
        with self._access:
            bo.cached[offset : offset + size] = bo.ddr.array[offset : offset + size]

    # --- interrupt: what PYNQ expects of a UIO device ---

    def add_event(self, event: Event, number: int) -> None:
        """Tell `event` when the processor is interrupted next. Called in the event loop; time passes there."""
        self._waiting.append(event)
        self._accessed = time.monotonic()
        if not self._running:
            self._running = True
            asyncio.get_running_loop().call_soon(self._run, asyncio.get_running_loop())

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Simulate a step; tell those that wait if it ended with an interrupt."""
        self._running = False
        with self._access:
            idle = time.monotonic() - self._accessed > IDLE_S
            if self._simulation is None or not self._waiting or idle:
                return
            self.simulation.run(STEP_CYCLES)
            self._controller.drive(self.simulation.irq)
            interrupted = self._controller.output
        if interrupted:
            events, self._waiting = self._waiting, []
            for event in events:
                event.set()
        elif not self._running:
            self._running = True
            loop.call_soon(self._run, loop)
