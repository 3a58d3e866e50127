# SPDX-License-Identifier: Apache-2.0
"""The `pynq-sim` device: what `pynq` does on a board, through the same PYNQ, on a simulated board.

Slower than `rtl` by the processor's register accesses; what it tests besides is the driver.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from peritus.arch.config import HwConfig
from peritus.eda.verilator.build import BuildProgress
from peritus.runtime.driver.platform import Limit
from peritus.runtime.pynq.device import PynqDevice, import_pynq
from peritus.runtime.rtl.power_up import PoweredUp, PowerUp
from peritus.runtime.rtl.simulation import DdrParameters

DEFAULT_LIMIT = Limit(seconds=600)  # for each frame


class PynqSimDevice(PoweredUp, PynqDevice):
    """A PynqDevice that brings its board along: the simulated RTL of `hw`.

    Args:
        hw: the configuration; its simulator is built on first use and cached.
        limit: for each frame, in seconds.
        interrupts: False to poll.
        memory_bytes, ddr: of peritus.runtime.virtual.pynq_board.SimulatedBoard.
        power_up: as of the rtl device.
        progress: told how far the build of the simulator is.

    Raises:
        BoardError: PYNQ is not installed. ToolchainError: the simulator cannot be built.
    """

    name = "pynq-sim"

    def __init__(
        self,
        hw: HwConfig,
        *,
        limit: Limit = DEFAULT_LIMIT,
        interrupts: bool = True,
        memory_bytes: int = 128 << 20,
        ddr: DdrParameters | None = None,
        power_up: str = "random",
        progress: Callable[[BuildProgress], None] | None = None,
    ) -> None:
        self.power_up = PowerUp.of(power_up)
        import_pynq()
        from peritus.runtime.rtl.device import build_rtl
        from peritus.runtime.virtual.pynq_board import SimulatedBoard
        from peritus.runtime.virtual.soc import write_bitstream

        build_rtl(hw, progress=progress)
        self._folder = tempfile.TemporaryDirectory(prefix="peritus_")
        self.simulated_board = SimulatedBoard(memory_bytes=memory_bytes, ddr=ddr, power_up=self.power_up)
        bitstream = write_bitstream(Path(self._folder.name), hw)
        super().__init__(
            hw,
            bitstream=bitstream,
            limit=limit,
            interrupts=interrupts,
            board=self.simulated_board,
            lock_folder=Path(self._folder.name),
        )

    def close(self) -> None:
        """Give the device back and switch its board off."""
        super().close()
        self.simulated_board.close()
        self._folder.cleanup()
