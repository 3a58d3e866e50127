# SPDX-License-Identifier: Apache-2.0
"""The cycle model: what a frame will take, without RTL and without a simulator."""

from __future__ import annotations

from dataclasses import dataclass

from peritus.bundle import Bundle
from peritus.cycles.ddr import Ddr
from peritus.cycles.fetch import Fetch
from peritus.cycles.routing import Routing
from peritus.cycles.sequencer import Sequencer
from peritus.runtime.rtl.simulation import DdrParameters
from peritus.runtime.timeline import Timeline


@dataclass(frozen=True)
class Prediction:
    """One frame on an idle device whose ring is empty.

    weight_bytes: that the stream reads, those of idle experts included as far as they are fetched.
    arrived, freed: of each stripe of the stream, in order, the cycle of its last beat (by port number mod
    ports), and of the pop of its last word, after which the ring has room for another.
    """

    timeline: Timeline
    weight_bytes: int
    arrived: tuple[float, ...]
    freed: tuple[float, ...]

    @property
    def cycles(self) -> int:
        """As Perf.cycles of a device."""
        return self.timeline.cycles


def predict(
    bundle: Bundle,
    task: str,
    routing: Routing,
    *,
    features: bool = False,
    cold: bool = False,
    ddr: DdrParameters | None = None,
    phase: int = 0,
) -> Prediction:
    """Time one frame of a bundle on the configuration that it was compiled for.

    Args:
        task: by name. routing: tokens of each expert, a row for each gate that the task executes
            (peritus.cycles.routing). features: are they written? cold: is it the
            first frame after load(), which fills what stays on chip? ddr: memory timing; default: what the
            configuration assumes. phase: cycles of a refresh period that are over when the frame begins.

    Raises:
        BundleTaskError: no such task. CycleError: a gate has no row of routing; the program has no END.
    """
    index, hw = bundle.task_index(task), bundle.hw
    features = features or any(entry.host for entry in bundle.job_tasks(index))
    memory = Ddr(hw, ddr or DdrParameters.of(hw.ddr), len(bundle.program), phase)
    fetch = Fetch(hw, memory, bundle.fetches, index, cold)
    sequencer = Sequencer(hw, fetch, routing)
    sequencer.run(bundle.instructions, index, features, cold)
    weight_bytes = len(fetch.address) * hw.stripe_bytes
    return Prediction(sequencer.recorder.timeline(), weight_bytes, tuple(fetch.last), tuple(fetch.freed))
