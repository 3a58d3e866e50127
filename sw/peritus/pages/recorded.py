# SPDX-License-Identifier: Apache-2.0
"""A run that was recorded as the subject of a page: what is there, and sentences on what is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from peritus.arch.isa import Instruction, Opcode
from peritus.bundle import Bundle
from peritus.cycles import Prediction, Routing, even_routing, predict
from peritus.cycles.routing import gates
from peritus.errors import PeritusError
from peritus.pages import account
from peritus.pages.subject import MODEL, RTL, Frame, Picture, Subject, accounted
from peritus.photo import read_photo
from peritus.report.run_file import Run
from peritus.report.run_parts import PortUse
from peritus.runtime.rtl.platform import SAMPLE_CYCLES
from peritus.runtime.rtl.simulation import DdrParameters
from peritus.runtime.timeline import Timeline

MAX_PASSES = 1 << 19  # of the array, that the cycle model times in seconds


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


def _recorded(run: Run, number: int, memory: DdrParameters | None) -> Frame:
    """A frame of a run: what is there, and sentences on what is not."""
    record, program = run.frames[number], run.program
    notes: list[str] = []
    timeline, stream, routing = None, None, record.routing
    known = [program.job_name(job) for job in range(program.jobs)] if program else []
    job = known.index(record.task) if record.task in known else None
    if program is not None and job is None:
        notes.append(f"the program has no task {record.task!r}: this frame is of another bundle")
    if program is None:
        notes.append("without the program no cycle can be explained")
    if job is not None and program is not None:
        if record.timeline is not None:
            try:
                timeline = record.timeline.timeline(len(program.instructions))
            except PeritusError as error:
                notes.append(f"no timeline: {error}")
        if timeline is not None and record.counters.cycles not in (None, timeline.cycles):
            notes.append(
                f"the timeline has {timeline.cycles:,} cycles, the device counted "
                f"{record.counters.cycles:,}: it is of another frame, and left out"
            )
            timeline = None
        source = RTL if timeline is not None else MODEL
        if timeline is not None and routing is None:
            routing = account.routing_in(program, timeline, job)
        if routing is not None and not _is_of(gates(program, record.task), routing):
            routing = None
        stream, said = _stream(program, record.task, routing, record.features, record.cold, memory)
        notes += said
        if timeline is None:
            timeline = stream.timeline if stream else None
            notes.append("the run has no timeline of its device: cycles are those of the cycle model")
    else:
        source = MODEL
        routing = None if program else routing
    frame = Frame(
        task=record.task,
        features=record.features,
        cold=record.cold,
        source=source,
        timeline=timeline,
        macs=program.job_macs(job) if program and job is not None else 0,
        stream=stream,
        routing=routing,
        ports=_ports(program, record.ports, timeline, notes) if source == RTL else None,
        counters=record.counters,
        bit_exact=record.bit_exact,
        image=_picture(run.folder, record.image, notes),
        picture=_picture(run.folder, record.picture, notes),
    )
    frame = replace(frame, notes=tuple(notes))
    return accounted(program, frame, memory) if program is not None and job is not None else frame


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
    if routing is None:
        routing = even_routing(program, task)
        if routing:
            said.append("the run does not say where tokens went: the cycle model spreads them evenly")
    passes = sum(i.k_tiles * i.n_tiles for i in program.instructions if i.opcode is Opcode.GEMM)
    if passes > MAX_PASSES:
        said.append(f"a program of {passes:,} passes is not timed, at most {MAX_PASSES:,} are")
        return None, said
    try:
        return predict(program, task, routing, features=features, cold=cold, ddr=memory), said
    except PeritusError as error:
        return None, [*said, f"the cycle model cannot time this frame: {error}"]


def _is_of(wanted: Sequence[Instruction], routing: Routing) -> bool:
    """Can these be the tokens of these gates' experts? Every token has its top_k."""
    if len(wanted) != len(routing):
        return False
    return all(
        len(row) == gate.width and (sum(row) == (gate.dst_base + gate.tokens) * gate.top_k or not full)
        for gate, full, row in zip(wanted, account.fills_queues(wanted), routing, strict=True)
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
