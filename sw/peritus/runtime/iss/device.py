# SPDX-License-Identifier: Apache-2.0
"""Device `iss`: the bundle's program on the instruction set simulator, bit-exact, without a clock."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from peritus.arch.config import HwConfig
from peritus.bundle import Bundle
from peritus.runtime.device import Result
from peritus.runtime.errors import NotLoaded
from peritus.runtime.frame_by_frame import FrameByFrame, JobOutput
from peritus.runtime.iss.machine import Machine
from peritus.runtime.iss.memories import Bytes
from peritus.runtime.iss.trace import Trace


class IssDevice(FrameByFrame):
    """peritus.runtime.Device without hardware: integer NumPy, a frame of m3vit_tiny in seconds.

    Runs raise ProgramError if the program is wrong.
    """

    name = "iss"

    def __init__(self, hw: HwConfig) -> None:
        super().__init__(hw)
        self._machine: Machine | None = None
        self._trace: Trace | None = None

    def run_traced(self, image: npt.NDArray[np.uint8], *, task: str, features: bool, trace: Trace) -> Result:
        """Run one job and record every memory write in `trace`."""
        self._trace = trace
        try:
            return self.run(image, task=task, features=features)
        finally:
            self._trace = None

    def _open(self, bundle: Bundle) -> None:
        self._machine = Machine(bundle, self.hw)

    def _close(self) -> None:
        self._machine = None

    def _job(self, image: Bytes, task: int, features: bool) -> JobOutput:
        if self._machine is None:
            raise NotLoaded(f"the {self.name} device has no bundle: call load() first")
        return self._machine.run(image, task, features, self._trace)
