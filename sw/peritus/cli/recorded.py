# SPDX-License-Identifier: Apache-2.0
"""Runs that leave a record, and a page, beside their maps: for `run` and `demo`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from peritus.bundle import Bundle
from peritus.cli.common import busy, command_line
from peritus.cycles.routing import routing_in, routing_of
from peritus.errors import PeritusError
from peritus.pages.recorded import of_run
from peritus.pages.subject import fills_the_chip
from peritus.report.run_file import (
    FILE,
    Run,
    bundle_digest,
    installed_version,
    write_run,
)
from peritus.report.run_parts import (
    Counters,
    FrameRecord,
    Memory,
    Origin,
    PackedTimeline,
    PortUse,
)
from peritus.runtime import Device, Result
from peritus.runtime.hls.device import HlsDevice
from peritus.runtime.iss import Trace
from peritus.runtime.iss.device import IssDevice
from peritus.runtime.rtl.device import RtlDevice
from peritus.runtime.rtl.simulation import DdrParameters

PAGE = "report.html"


def recorded_job(
    device: Device, bundle: Bundle, image: npt.NDArray[np.uint8], task: str, features: bool, *, first: bool
) -> tuple[Result, FrameRecord]:
    """One job with all that is to be known of it: timeline of the RTL, routing of the simulator.

    first: after a load.
    """
    routing, timeline, ports = None, None, None
    with busy(f"Running {task} on {device.name}"):
        if isinstance(device, IssDevice):
            trace = Trace()
            result = device.run_traced(image, task=task, features=features, trace=trace)
            routing = routing_in(bundle, trace)
        elif isinstance(device, RtlDevice):
            device.simulation.record_cycles()
            device.platform.sample_ports()
            result = device.run(image, task=task, features=features)
            timeline = PackedTimeline.of(device.timelines()[-1])
            ports = PortUse.of(device.port_use())
            device.simulation.record_cycles(False)
            device.platform.sample_ports(False)
        else:
            result = device.run(image, task=task, features=features)
            if isinstance(device, HlsDevice):  # on a board's processor the simulator would take too long
                routing = routing_of(bundle, image, task)
    record = FrameRecord(
        task=task,
        features=features or result.task.host,
        cold=first and fills_the_chip(bundle),
        counters=Counters(**asdict(result.perf)),
        bit_exact=None,
        outputs={name: _digest(values) for name, values in result.outputs.items()},
        routing=routing,
        timeline=timeline,
        ports=ports,
    )
    return result, record


def _digest(values: npt.NDArray[np.int16]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<i2").tobytes()).hexdigest()


def run_of(device: Device, power_up: str | None, bundle: Bundle, frames: Sequence[FrameRecord]) -> Run:
    """The record of frames that a device ran."""
    origin = Origin(command_line(), installed_version(), device.name, power_up, bundle_digest(bundle))
    simulated = isinstance(device, RtlDevice)
    memory = Memory.of(DdrParameters.of(bundle.hw.ddr)) if simulated else None
    return Run(origin, memory, bundle, tuple(frames))


def write_record(folder: Path, run: Run) -> str:
    """run.json and the page made of it; what to tell the user about them."""
    target = folder / FILE
    write_run(run, target)
    try:
        from peritus.pages.page import write_page

        with busy("Writing the report"):
            write_page(folder / PAGE, of_run(replace(run, folder=folder)))
    except PeritusError as error:  # the run itself has succeeded
        return f"Record of the run: {target}; no page of it: {error}"
    return f"Report: {folder / PAGE} (from {target})"


def named(record: FrameRecord, *, exact: bool | None, image: str, picture: str) -> FrameRecord:
    """With what is known once the maps are compared and written."""
    return replace(record, bit_exact=exact, image=Path(image).name, picture=Path(picture).name)
