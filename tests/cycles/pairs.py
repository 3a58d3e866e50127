# SPDX-License-Identifier: Apache-2.0
"""The cycle model and the RTL on the same frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from peritus.arch.isa import Opcode
from peritus.bundle import Bundle
from peritus.cycles import Prediction, predict, routing_of
from peritus.runtime.rtl.device import RtlDevice
from peritus.runtime.rtl.simulation import DdrParameters
from peritus.runtime.timeline import Timeline

CYCLES, SHARE = 50, 0.01  # the model may be off by so much: the larger of the two


@dataclass(frozen=True)
class Pair:
    """One frame, on the RTL and by the model."""

    rtl: Timeline
    model: Prediction
    bytes_read: int  # by the RTL, without the image

    @property
    def error(self) -> int:
        """Cycles of the model minus those of the RTL."""
        return self.model.cycles - self.rtl.cycles

    @property
    def close(self) -> bool:
        """Is the model as close as it has to be?"""
        return abs(self.error) <= max(CYCLES, SHARE * self.rtl.cycles)


def measure(
    device: RtlDevice,
    bundle: Bundle,
    image: NDArray[np.uint8],
    task: str,
    *,
    features: bool = False,
    ddr: DdrParameters | None = None,
) -> Pair:
    """Run a frame on a device that was opened with the same `ddr` and has the bundle, and predict it."""
    if bundle.instructions[0].opcode is Opcode.KEEP:
        device.run(image, task=task)  # the first one after a load fills what stays on chip
    device.simulation.record_cycles()
    perf = device.run(image, task=task, features=features).perf
    (rtl,) = device.timelines()
    begin = device.simulation.changes()[0][0]
    device.simulation.record_cycles(False)
    assert rtl.cycles == perf.cycles
    routing = routing_of(bundle, image, task)
    phase = begin % ddr.refresh_period if ddr and ddr.refresh_period else 0
    model = predict(bundle, task, routing, features=features, ddr=ddr, phase=phase)
    return Pair(rtl, model, perf.bytes_read - bundle.frame.bytes)
