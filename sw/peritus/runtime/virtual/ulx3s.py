# SPDX-License-Identifier: Apache-2.0
"""The `ulx3s-sim` device: what `ulx3s` does, with the board simulated down to the bits on its serial line."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from peritus.arch.config import HwConfig
from peritus.bundle import Bundle
from peritus.eda.verilator.build import BuildProgress
from peritus.runtime.driver.platform import Limit
from peritus.runtime.rtl.power_up import PoweredUp, PowerUp
from peritus.runtime.serial.client import Patience
from peritus.runtime.serial.device import LinkDevice
from peritus.runtime.serial.image import memory_image, write_banks
from peritus.runtime.serial.transport import Transport
from peritus.runtime.virtual.uart_line import MEMORY_BYTES, SimulatedLine, build_line

DEFAULT_LIMIT = Limit(seconds=600)  # for each frame, on the wall's clock
DEFAULT_PATIENCE = Patience(timeout_s=0.02)  # of simulated time: there is no operating system in between


class UartSimDevice(PoweredUp, LinkDevice):
    """A LinkDevice that brings its board along.

    Args:
        hw: the configuration; its simulator is built on first use and cached.
        preloaded: the bundle that its bitstream has in block RAM; default: none, and each one is sent.
        assertions: check the RTL's assertions (another, slower simulator).
        power_up: as of the rtl device; of memory too, beside what is preloaded.
        wire: wraps the simulated line, to disturb it.
        progress: told how far the build of the simulator is.
        other arguments: of LinkDevice.

    Raises:
        ToolchainError: the simulator cannot be built. ImageError: `preloaded` does not fit.
    """

    name = "ulx3s-sim"

    def __init__(
        self,
        hw: HwConfig,
        *,
        preloaded: Bundle | None = None,
        assertions: bool = False,
        power_up: str = "random",
        limit: Limit = DEFAULT_LIMIT,
        patience: Patience = DEFAULT_PATIENCE,
        sending: Callable[[int, int], None] | None = None,
        progress: Callable[[BuildProgress], None] | None = None,
        wire: Callable[[Transport], Transport] = lambda line: line,
    ) -> None:
        self.power_up = PowerUp.of(power_up)
        library = build_line(hw, assertions=assertions, progress=progress)
        with tempfile.TemporaryDirectory(prefix="peritus_") as folder:
            if preloaded is not None:
                write_banks(memory_image(preloaded, MEMORY_BYTES), Path(folder))
            image = Path(folder) if preloaded is not None else None
            self.line = SimulatedLine(library, hw.clock_mhz * 1e6, image, self.power_up)
        self._wire = wire
        super().__init__(hw, limit=limit, patience=patience, sending=sending)

    def _transport(self) -> Transport:
        return self._wire(_Plug(self.line))

    def close(self) -> None:
        """Give the device back and switch its board off."""
        super().close()
        self.line.close()


class _Plug:
    """The line as something that can be unplugged without switching the board off."""

    def __init__(self, line: SimulatedLine) -> None:
        self.byte_s = line.byte_s
        self.now, self.write, self.read = line.now, line.write, line.read

    def close(self) -> None:
        """Nothing to do: the board stays on."""
