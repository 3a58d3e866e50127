# SPDX-License-Identifier: Apache-2.0
"""The cycle model and the RTL on the same frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from peritus.arch.config import BURST_BEATS
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
    device.reset()
    image_port = 0
    if bundle.instructions[0].opcode is Opcode.KEEP:
        # The first one after a reset fills what stays on chip; the next begins at the ports where that ended.
        before = device.run(image, task=task).perf
        image_port = _bursts(bundle) - (before.bytes_read - bundle.frame.bytes) // bundle.hw.stripe_bytes
    device.simulation.record_cycles()
    perf = device.run(image, task=task, features=features).perf
    (rtl,) = device.timelines()
    begin = device.simulation.changes()[0][0]
    device.simulation.record_cycles(False)
    assert rtl.cycles == perf.cycles
    routing = routing_of(bundle, image, task)
    phase = begin % ddr.refresh_period if ddr and ddr.refresh_period else 0
    model = predict(
        bundle,
        task,
        routing,
        features=features,
        ddr=ddr,
        phase=phase,
        image_port=image_port % bundle.hw.axi_ports,
    )
    return Pair(rtl, model, perf.bytes_read - bundle.frame.bytes)


def _bursts(bundle: Bundle) -> int:
    """Of an image."""
    load = next(i for i in bundle.instructions if i.opcode is Opcode.LOAD_IMAGE)
    return -(-load.keys * load.k_tiles * load.tokens * load.n_tiles // BURST_BEATS)
