# SPDX-License-Identifier: Apache-2.0
"""Damaged records of runs; and what becomes of them: a part that is refused is said, the rest is used."""

from __future__ import annotations

import copy
import json
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from peritus.arch.config import load_config
from peritus.compiler import compile_model
from peritus.cycles import predict
from peritus.ir.random_model import Dims, random_model
from peritus.pages import of_bundle, of_run
from peritus.pages.numbers import numbers
from peritus.pages.perfetto import write_trace
from peritus.report.run_file import FILE, Run, read_run, write_run
from peritus.report.run_parts import (
    Counters,
    FrameRecord,
    Memory,
    Origin,
    PackedTimeline,
    PortUse,
)
from peritus.runtime.rtl.simulation import DdrParameters
from tests.schema.json_damage import JSON_KINDS


@cache
def _valid() -> dict[str, Any]:
    bundle = compile_model(random_model(Dims(layers=2)), load_config("nano"))
    task = bundle.tasks[0].name
    image = np.random.default_rng(1).integers(0, 256, bundle.frame.shape, dtype=np.uint8)
    subject = of_bundle(bundle, image, [task], name="net", command="peritus")
    routing = subject.frames[0].routing
    assert routing is not None
    timeline = predict(bundle, task, routing).timeline
    counters = Counters(timeline.cycles, 1, 1, 1, 4096, 64, 0.5, (4096,))
    frame = FrameRecord(task, False, False, counters, True, {task: "0" * 64}, "in.png", "map.png", routing)
    ports = PortUse((0, 500, timeline.cycles), ((0, 100, 4096),))
    frame = replace(frame, timeline=PackedTimeline.of(timeline), ports=ports)
    origin = Origin("peritus run", "0.1.0", "rtl", "random:1", "0" * 64)
    run = Run(origin, Memory.of(DdrParameters.of(bundle.hw.ddr)), bundle, (frame, frame))
    with tempfile.TemporaryDirectory() as folder:
        write_run(run, Path(folder) / FILE)
        record: dict[str, Any] = json.loads((Path(folder) / FILE).read_text())
    return record


def valid() -> dict[str, Any]:
    return copy.deepcopy(_valid())


KINDS = JSON_KINDS


def whole(tree: Any) -> str:
    return json.dumps(tree)


def damaged(kind: Callable[[Any, random.Random], str], rng: random.Random) -> str:
    return kind(valid(), rng)


def judge(text: str) -> None:
    """Read it, explain it, trace it; PeritusError if it is no run at all."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        subject = of_run(read_run(path))
        json.dumps(numbers(subject), allow_nan=False)
        write_trace(Path(folder) / "trace.json", subject)


def seeds() -> Iterator[bytes]:
    yield whole(valid()).encode()


def parse(data: bytes) -> None:
    """As `judge`, of bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        path.write_bytes(data)
        json.dumps(numbers(of_run(read_run(path))), allow_nan=False)
