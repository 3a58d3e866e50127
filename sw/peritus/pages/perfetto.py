# SPDX-License-Identifier: Apache-2.0
"""A frame as a trace for ui.perfetto.dev: the JSON that Chrome's tracing has made common.

A cycle is a nanosecond, so that every time is exact; what it is in time, the configuration's clock says. Each
unit is a track, and so are layers and instructions; ring and ports are counters.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from peritus.arch.config import HwConfig
from peritus.bundle import Bundle
from peritus.pages.errors import TraceError
from peritus.pages.stream import port_use, ring_fill
from peritus.pages.subject import Frame, Subject
from peritus.pages.units import UNIT_OF, UNITS

LAYERS, INSTRUCTIONS, FIRST_UNIT = 1, 2, 3  # numbers of tracks
CYCLE_US = 1e-3


def write_trace(path: Path, subject: Subject) -> int:
    """Write all frames of a subject, each as a process; how many slices.

    Raises:
        TraceError: no frame has a timeline.
    """
    program = subject.program
    events: list[dict[str, Any]] = []
    for number, frame in enumerate(subject.frames, 1):
        if program is not None and frame.timeline is not None:
            events += _frame(program, frame, number, subject.title)
    if not events:
        raise TraceError(f"no frame of {subject.title} has a timeline: nothing to trace")
    origin = vars(subject.origin) if subject.origin else {}
    record = {
        "displayTimeUnit": "ns",
        "otherData": {**origin, "unit": "1 ns = 1 cycle"},
        "traceEvents": events,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, separators=(",", ":")) + "\n", encoding="utf-8")
    return sum(event["ph"] == "X" for event in events)


def _frame(program: Bundle, frame: Frame, pid: int, title: str) -> Iterator[dict[str, Any]]:
    assert frame.timeline is not None
    yield _named("process_name", pid, 0, f"{title}, {frame.task} ({frame.source}; 1 ns = 1 cycle)")
    tracks = {unit: FIRST_UNIT + row for row, (unit, _) in enumerate(UNITS)}
    for name, track in {"layers": LAYERS, "instructions": INSTRUCTIONS, **tracks}.items():
        yield _named("thread_name", pid, track, name)
        yield {
            "ph": "M",
            "name": "thread_sort_index",
            "pid": pid,
            "tid": track,
            "args": {"sort_index": track},
        }
    for layer in frame.layers:
        yield _slice(pid, LAYERS, layer.name, layer.start, layer.end, {"cycles": layer.cycles})
    for step in frame.steps:
        causes = {cause.value: cycles for cause, cycles in step.causes.most_common()}
        arguments: dict[str, int] = {
            "instruction": step.index,
            "bytes": step.bytes,
            "cycles": step.cycles,
            **causes,
        }
        if step.instruction.expert_valid:
            arguments["expert"] = step.instruction.expert
        name = f"{step.instruction.opcode.name} {step.label}"
        yield _slice(pid, INSTRUCTIONS, name, step.start, step.end, arguments)
    for span in frame.timeline.spans():
        label = program.labels[span.instruction]
        told = {"instruction": span.instruction, "label": label, "cycles": span.end - span.start}
        yield _slice(pid, tracks[UNIT_OF[span.cause]], span.cause.value, span.start, span.end, told)
    if frame.stream is not None:
        yield from _counters(frame, program.hw, pid)


def _counters(frame: Frame, hw: HwConfig, pid: int) -> Iterator[dict[str, Any]]:
    """The ring by the cycle model, also beside a timeline of the RTL; ports as `port_use`."""
    for cycle, words in zip(*ring_fill(frame, hw), strict=True):
        yield _counter(pid, "ring (cycle model)", float(cycle), {"words": int(words)})
    edges, rates = port_use(frame, hw)
    source = "RTL" if frame.ports else "cycle model"
    for port, rate in enumerate(rates):
        for cycle, value in zip(edges[:-1], rate, strict=True):
            yield _counter(pid, f"port {port} ({source})", float(cycle), {"bytes a cycle": float(value)})


def _named(what: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}


def _slice(pid: int, tid: int, name: str, start: int, end: int, arguments: dict[str, Any]) -> dict[str, Any]:
    times = {"ts": round(start * CYCLE_US, 3), "dur": round((end - start) * CYCLE_US, 3)}
    return {"ph": "X", "name": name, "cat": "frame", "pid": pid, "tid": tid, **times, "args": arguments}


def _counter(pid: int, name: str, cycle: float, values: dict[str, float]) -> dict[str, Any]:
    return {
        "ph": "C",
        "name": name,
        "pid": pid,
        "tid": 0,
        "ts": round(int(cycle) * CYCLE_US, 3),
        "args": values,
    }
