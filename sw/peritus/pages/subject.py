# SPDX-License-Identifier: Apache-2.0
"""What a page is about: frames with their timelines, of a run that was recorded or of a bundle by the cycle
model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from peritus.arch.isa import Opcode
from peritus.bundle import Bundle
from peritus.cycles import Prediction, Routing, even_routing, predict
from peritus.cycles.routing import gates, routing_in
from peritus.errors import PeritusError
from peritus.pages import account
from peritus.photo import read_photo
from peritus.report.pictures import render
from peritus.report.run_file import (
    Counters,
    Origin,
    PortUse,
    Run,
    bundle_digest,
    installed_version,
)
from peritus.runtime.iss import Trace
from peritus.runtime.iss.device import IssDevice
from peritus.runtime.rtl.platform import SAMPLE_CYCLES
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


def of_run(run: Run) -> Subject:
    """Of a run as `read_run` gives it."""
    missing = list(run.missing)
    program = run.program
    memory = None
    if program is not None:
        try:
            memory = run.memory.parameters() if run.memory else DdrParameters.of(program.hw.ddr)
        except PeritusError as error:
            missing.append(f"memory: {error}")
            memory = DdrParameters.of(program.hw.ddr)
    frames = tuple(_recorded(run, number, memory) for number in range(len(run.frames)))
    device = f", {run.origin.device}" if run.origin else ""
    title = f"{program.model} on {program.hw.name}{device}" if program else "a run without its program"
    return Subject(title, program, run.origin, memory, frames, tuple(missing))


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
            rgb = np.repeat(image, 3 // image.shape[2], axis=2) if image.shape[2] in (1, 3) else None
            frame = replace(frame, image=rgb, picture=render(result, image))
            frames.append(_accounted(bundle, frame, memory))
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
    accounted = tuple(_accounted(bundle, frame, memory) for frame in frames)
    return Subject(f"{bundle.model} on {bundle.hw.name}", bundle, None, memory, accounted)


def _modelled(bundle: Bundle, task: str, routing: Routing, features: bool, memory: DdrParameters) -> Frame:
    entry = bundle.tasks[bundle.task_index(task)]
    stream = predict(bundle, task, routing, features=features, ddr=memory)
    return Frame(
        task=task,
        features=features or entry.host,
        cold=False,
        source=MODEL,
        timeline=stream.timeline,
        macs=entry.macs,
        stream=stream,
        routing=routing,
    )


def _recorded(run: Run, number: int, memory: DdrParameters | None) -> Frame:
    """A frame of a run: what is there, and sentences on what is not."""
    record, program = run.frames[number], run.program
    notes: list[str] = []
    timeline, stream, routing = None, None, record.routing
    known = {task.name: task for task in program.tasks} if program else {}
    task = known.get(record.task)
    if program is not None and task is None:
        notes.append(f"the program has no task {record.task!r}: this frame is of another bundle")
    if program is None:
        notes.append("without the program no cycle can be explained")
    if task is not None and program is not None:
        if record.timeline is not None:
            try:
                timeline = record.timeline.timeline(len(program.instructions))
            except PeritusError as error:
                notes.append(f"no timeline: {error}")
        index = program.task_index(record.task)
        if timeline is not None and record.counters.cycles not in (None, timeline.cycles):
            notes.append(
                f"the timeline has {timeline.cycles:,} cycles, the device counted "
                f"{record.counters.cycles:,}: it is of another frame, and left out"
            )
            timeline = None
        source = RTL if timeline is not None else MODEL
        if timeline is not None and routing is None:
            routing = account.routing_in(program, timeline, index)
        stream, said = _stream(program, record.task, routing, record.features, record.cold, memory)
        notes += said
        if timeline is None:
            timeline = stream.timeline if stream else None
            notes.append("the run has no timeline of its device: cycles are those of the cycle model")
    else:
        source = MODEL
    frame = Frame(
        task=record.task,
        features=record.features,
        cold=record.cold,
        source=source,
        timeline=timeline,
        macs=task.macs if task else 0,
        stream=stream,
        routing=routing,
        ports=_ports(program, record.ports, timeline, notes) if source == RTL else None,
        counters=record.counters,
        bit_exact=record.bit_exact,
        image=_picture(run.folder, record.image, notes),
        picture=_picture(run.folder, record.picture, notes),
    )
    frame = replace(frame, notes=tuple(notes))
    return _accounted(program, frame, memory) if program is not None and task is not None else frame


def _ports(
    program: Bundle | None, ports: PortUse | None, timeline: Timeline | None, notes: list[str]
) -> PortUse | None:
    """What the ports read, if that can be of this frame."""
    if ports is None or program is None or timeline is None:
        return None
    longest = timeline.cycles + 2 * SAMPLE_CYCLES  # the interrupt comes behind the frame
    if len(ports.read) != program.hw.axi_ports or ports.cycles[-1] > longest:
        notes.append("what the ports read is of another configuration or frame, and left out")
        return None
    return ports


def _stream(
    program: Bundle,
    task: str,
    routing: Routing | None,
    features: bool,
    cold: bool,
    memory: DdrParameters | None,
) -> tuple[Prediction | None, list[str]]:
    """The frame by the cycle model, and what has to be said of it."""
    said = []
    wanted = gates(program, task)
    if routing is None or [len(row) for row in routing] != [gate.width for gate in wanted]:
        if wanted:
            said.append("the run does not say where tokens went: the cycle model spreads them evenly")
        routing = even_routing(program, task)
    try:
        return predict(program, task, routing, features=features, cold=cold, ddr=memory), said
    except PeritusError as error:
        return None, [*said, f"the cycle model cannot time this frame: {error}"]


def _accounted(program: Bundle, frame: Frame, memory: DdrParameters | None) -> Frame:
    """With the account of its instructions."""
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


def _picture(folder: Path | None, name: str | None, notes: list[str]) -> Picture | None:
    """A picture beside the record, never one elsewhere."""
    if name is None or folder is None:
        return None
    path = folder / name
    if Path(name).name != name or path.resolve().parent != folder.resolve():
        notes.append("a picture outside the run's folder is not read")
        return None
    try:
        return read_photo(path)
    except PeritusError as error:
        notes.append(str(error))
        return None


def fills_the_chip(bundle: Bundle) -> bool:
    """Does the first frame after a load fill what stays on chip?"""
    return any(instruction.opcode is Opcode.KEEP for instruction in bundle.instructions)
