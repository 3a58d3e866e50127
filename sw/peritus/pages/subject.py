# SPDX-License-Identifier: Apache-2.0
"""What a page is about: frames with their timelines, of a run that was recorded or of a bundle by the cycle
model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from peritus.arch.isa import Opcode
from peritus.bundle import Bundle
from peritus.cycles import Prediction, Routing, predict
from peritus.cycles.routing import routing_in
from peritus.image import as_rgb
from peritus.pages import account
from peritus.report.pictures import render_all
from peritus.report.run_file import bundle_digest, installed_version
from peritus.report.run_parts import Counters, Origin, PortUse
from peritus.runtime.iss import Trace
from peritus.runtime.iss.device import IssDevice
from peritus.runtime.rtl.simulation import DdrParameters
from peritus.runtime.timeline import Timeline

MODEL, RTL = "cycle model", "RTL"
MODEL_ERROR = "within 1 % or 50 cycles of the RTL, whichever is more"  # tests/cycles/test_against_rtl.py

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame. source: MODEL or RTL, of the timeline. stream: of the cycle model, for ring and ports.

    ports: of the RTL; without them those of `stream` are shown. image, picture: what went in and the map,
    uint8 [height, width, 3]. steps, layers, total: empty or None where there is no program. routing: None
    if unknown.
    """

    task: str
    features: bool
    cold: bool
    source: str
    timeline: Timeline | None
    macs: int
    stream: Prediction | None = None
    routing: Routing | None = None
    ports: PortUse | None = None
    steps: tuple[account.Step, ...] = ()
    layers: tuple[account.Layer, ...] = ()
    total: account.Layer | None = None
    counters: Counters | None = None
    bit_exact: bool | None = None
    image: Picture | None = None
    picture: Picture | None = None
    notes: tuple[str, ...] = ()

    @property
    def cycles(self) -> int | None:
        """Of the frame."""
        if self.timeline is not None:
            return self.timeline.cycles
        return self.counters.cycles if self.counters else None


@dataclass(frozen=True, eq=False)
class Subject:
    """program: a bundle, without weights if it is of a run; None if that could not be read."""

    title: str
    program: Bundle | None
    origin: Origin | None
    memory: DdrParameters | None
    frames: tuple[Frame, ...]
    missing: tuple[str, ...] = field(default=())


def of_bundle(
    bundle: Bundle, image: Picture, tasks: Sequence[str], *, name: str, command: str, features: bool = False
) -> Subject:
    """By the cycle model, at once: a frame of each task behind the first one after a load.

    name: of the network. image: uint8, as the bundle wants it; routed by the instruction set simulator,
    whose maps are shown.
    """
    memory = DdrParameters.of(bundle.hw.ddr)
    frames = []
    with IssDevice(bundle.hw) as device:
        device.load(bundle)
        for task in tasks:
            trace = Trace()
            result = device.run_traced(image, task=task, features=features, trace=trace)
            frame = _modelled(bundle, task, routing_in(bundle, trace), features, memory)
            frame = replace(frame, image=as_rgb(image), picture=render_all(result, image))
            frames.append(accounted(bundle, frame, memory))
    origin = Origin(command, installed_version(), MODEL, None, bundle_digest(bundle))
    return Subject(f"{name} on {bundle.hw.name}", bundle, origin, memory, tuple(frames))


def of_timelines(
    bundle: Bundle, task: str, features: bool, routing: Routing, timelines: Mapping[str, Timeline]
) -> Subject:
    """One frame behind the first, as it was timed: by MODEL, RTL or both; without maps."""
    memory = DdrParameters.of(bundle.hw.ddr)
    frames = (
        replace(_modelled(bundle, task, routing, features, memory), source=source, timeline=timeline)
        for source, timeline in timelines.items()
    )
    found = tuple(accounted(bundle, frame, memory) for frame in frames)
    return Subject(f"{bundle.model} on {bundle.hw.name}", bundle, None, memory, found)


def _modelled(bundle: Bundle, task: str, routing: Routing, features: bool, memory: DdrParameters) -> Frame:
    job = bundle.task_index(task)
    stream = predict(bundle, task, routing, features=features, ddr=memory)
    return Frame(
        task=task,
        features=features or any(entry.host for entry in bundle.job_tasks(job)),
        cold=False,
        source=MODEL,
        timeline=stream.timeline,
        macs=bundle.job_macs(job),
        stream=stream,
        routing=routing,
    )


def accounted(program: Bundle, frame: Frame, memory: DdrParameters | None) -> Frame:
    """A frame with the account of its instructions."""
    if frame.timeline is None or memory is None:
        return frame
    index = program.task_index(frame.task)
    found = account.steps(program, frame.timeline, index, features=frame.features, cold=frame.cold)
    rate = memory.bytes_per_cycle
    return replace(
        frame,
        steps=tuple(found),
        layers=tuple(account.layers(program, found, rate)),
        total=account.total(program, found, rate),
    )


def fills_the_chip(bundle: Bundle) -> bool:
    """Does the first frame after a load fill what stays on chip?"""
    return any(instruction.opcode is Opcode.KEEP for instruction in bundle.instructions)
