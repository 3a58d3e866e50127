# SPDX-License-Identifier: Apache-2.0
"""What the tests of power-up look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from peritus.arch.registers import Offset
from peritus.runtime.driver.errors import DeviceTimeout
from peritus.runtime.driver.platform import Limit
from peritus.runtime.rtl.device import RtlDevice
from peritus.runtime.rtl.errors import RegisterError
from peritus.runtime.rtl.platform import MEMORY_BASE
from peritus.runtime.rtl.power_up import PowerUp
from peritus.runtime.rtl.simulation import DdrParameters, Simulation
from tests.common.serial_board import NANO

INTERRUPTED = (250, 900, 1700, 2600, 3500)  # cycles into a frame, which takes 3,733
IDLE_CYCLES = 1000
DIAGNOSIS = {
    Offset.SEQ_STATE1
}  # shows registers that hold data, for error messages, also while none are valid


def registers_after_reset(library: Path, power_up: PowerUp) -> list[int | None]:
    """Every register but DIAGNOSIS (None: not readable), the interrupt, and what moved by itself."""
    memory = np.zeros(1 << 16, np.uint8)
    ddr = DdrParameters.of(NANO.ddr)
    with Simulation(
        library, memory, base=MEMORY_BASE, ports=NANO.axi_ports, ddr=ddr, power_up=power_up
    ) as simulation:
        simulation.reset()
        seen: list[int | None] = []
        for offset in sorted(set(Offset) - DIAGNOSIS):
            try:
                seen.append(simulation.read32(offset))
            except RegisterError:
                seen.append(None)
        simulation.run(IDLE_CYCLES)
        traffic = simulation.traffic()
        return [*seen, simulation.irq, *traffic.read, traffic.written, simulation.violations()[1]]


def interrupt(device: RtlDevice, image: NDArray[np.uint8], cycles: int) -> None:
    """Give a frame up after so many cycles: the next one begins with a soft reset."""
    runner = device._installed
    limit, runner._limit = runner._limit, Limit(seconds=60, cycles=cycles)
    with pytest.raises(DeviceTimeout):
        device.run(image, task="task0")
    runner._limit = limit
