# SPDX-License-Identifier: Apache-2.0
"""What PYNQ touches of a Zynq UltraScale+ besides its programmable logic: for boards that are not there.

PYNQ's own Overlay, MMIO, Interrupt and Clocks run on it unmodified. Needs PYNQ.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any, Protocol

import pynq
from pynq.interrupt import _InterruptController
from pynq.ps import Clocks
from pynqmetadata.frontends import Metadata
from pynqmetadata.views.runtime import RuntimeMetadataParser

from peritus.arch import ip
from peritus.arch.config import HwConfig, load_config
from peritus.codegen.hwh import hardware_handoff
from peritus.runtime.rtl.errors import SimulationError

CLOCK_GENERATORS = {0xFF5E_0000: 0x100, 0xFD1A_0000: 0x100}  # CRL_APB, CRF_APB: base -> bytes
IO_PLL = 0xFF5E_0020, 90 << 8 | 1 << 16  # IOPLL_CTRL: 33.3 MHz x 90 / 2
_IRQ = 121  # of pl_ps_irq0[0]
_MARK = "peritus simulated bitstream: "
_numbers = itertools.count()


class Event(Protocol):
    """Something to be told of an interrupt."""

    def set(self) -> None:
        """It has come."""
        ...


def write_bitstream(folder: Path, hw: HwConfig, **metadata: str) -> Path:
    """A `bitstream` for boards that are not there, with its .hwh, as peritus_<hw>.bit in `folder`.

    metadata: of peritus.codegen.hwh.hardware_handoff.
    """
    path = folder / ip.bitstream_name(hw)
    path.write_text(_MARK + hw.name)
    path.with_suffix(".hwh").write_text(hardware_handoff(hw, **metadata))
    return path


class AxiInterruptController:
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


class Soc(pynq.Device):  # type: ignore[misc]
    """The processor's side of a board: a subclass has registers, memory and the time that jobs take.

    PYNQ's metaclass leaves no room for abstract methods: the two at the end are meant as such.
    """

    def __init__(self, **capabilities: bool) -> None:
        super().__init__(f"peritus_{type(self).__name__}_{os.getpid()}_{next(_numbers)}")
        self.capabilities = capabilities
        self.arch = "aarch64"
        self.controller = AxiInterruptController()
        # Where PYNQ looks for the UIO device of an interrupt, and for the clocks of the board in use.
        _InterruptController._uio_devices[_IRQ] = self
        if "_real_instance" in vars(Clocks):
            del Clocks._real_instance

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        """What PYNQ's own parser makes of the .hwh, as on a board."""
        return RuntimeMetadataParser(Metadata(input=str(Path(bitfile_name).with_suffix(".hwh"))))

    def download(self, bitstream: Any, parser: Any = None) -> None:
        """Make the programmable logic what the bitstream says, freshly powered up."""
        text = Path(bitstream.bitfile_name).read_text(errors="replace")
        if not text.startswith(_MARK):
            raise SimulationError(f"{bitstream.bitfile_name} is no bitstream of a simulated board")
        self.controller = AxiInterruptController()
        self.configure(load_config(text.removeprefix(_MARK).strip()))
        super().post_download(bitstream, parser)

    def configure(self, hw: HwConfig) -> None:
        """Put an accelerator into the programmable logic."""
        raise NotImplementedError

    def add_event(self, event: Event, number: int) -> None:
        """As a UIO device: tell `event` of the next interrupt. Called in the event loop."""
        raise NotImplementedError
