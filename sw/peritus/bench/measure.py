# SPDX-License-Identifier: Apache-2.0
"""Rows of the table: a frame of each task behind the first one, all tasks of one image, a batch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from peritus import api
from peritus.bench.cases import Case, bundle_of
from peritus.bench.idle import known_in_advance, with_idle_experts
from peritus.bundle import Bundle
from peritus.cycles import Routing, predict, routing_of
from peritus.demo import SCENE
from peritus.explore.area import area_of
from peritus.pages import account
from peritus.pages.numbers import LESS_MHZ
from peritus.photo import photo_for
from peritus.report import same_result
from peritus.runtime import Result
from peritus.runtime.iss.device import IssDevice
from peritus.runtime.rtl.device import RtlDevice
from peritus.runtime.rtl.simulation import DdrParameters

# Sustained GB/s of a 64-bit DDR4-2400. The most measured on a ZCU102 is 75 % of its peak, 19.2 (Manev,
# Vaishnav, Koch: Unexpected Diversity, FPT 2019); the lower end is an assumption of ours.
BAND_GB_S = (8.4, 12.6, 14.4)

Image = npt.NDArray[np.uint8]
ONE_JOB, IDLE, KNOWN = ", one job", ", half of the experts idle", ", known in advance"  # of a row's work


def image_of(bundle: Bundle) -> Image:
    """The shipped scene, as the bundle wants it."""
    return photo_for(SCENE, bundle.frame.shape)


def model_cycles(bundle: Bundle, task: str, routing: Routing, ddr: DdrParameters | None = None) -> int:
    """Of a frame behind the first, by the cycle model."""
    return predict(bundle, task, routing, ddr=ddr).cycles


def rows(case: Case, device: RtlDevice) -> Iterator[dict[str, Any]]:
    """Measure a case on the RTL of its configuration; see `_row` for what a row has."""
    bundle = bundle_of(case)
    image = image_of(bundle)
    names = [task.name for task in bundle.tasks]
    for job in range(bundle.jobs):
        work = " + ".join(entry.name for entry in bundle.job_tasks(job))
        yield _one_job(case, bundle, device, image, job, work if job < len(names) else f"{work}{ONE_JOB}")
    if len(names) > 1 and not case.together:
        yield _in_a_row(case, bundle, device, [image] * len(names), names, " + ".join(names))
    if case.batch:
        yield _in_a_row(
            case, bundle, device, [image] * case.batch, names[:1] * case.batch, f"{case.batch} × {names[0]}"
        )
    if case.idle:
        yield from _half_idle(case, device, image, names[0])


def _half_idle(case: Case, device: RtlDevice, image: Image, task: str) -> Iterator[dict[str, Any]]:
    model, use = with_idle_experts(api.load_model(case.model))
    bundle = api.compile(model, hw=device.hw, use=use)
    job, work = bundle.task_index(task), f"{task}{IDLE}"
    yield _one_job(case, bundle, device, image, job, work)
    known = known_in_advance(bundle, task, routing_of(bundle, image, task))
    yield _one_job(case, known, device, image, job, f"{work}{KNOWN}")


def _one_job(
    case: Case, bundle: Bundle, device: RtlDevice, image: Image, job: int, work: str
) -> dict[str, Any]:
    task = bundle.job_name(job)
    device.load(bundle)
    first = device.run(image, task=task)
    device.simulation.record_cycles()
    started = time.perf_counter()
    result = device.run(image, task=task)
    seconds = time.perf_counter() - started
    (timeline,) = device.timelines()
    device.simulation.record_cycles(False)
    routing = routing_of(bundle, image, task)
    hosted = any(entry.host for entry in bundle.job_tasks(job))
    steps = account.steps(bundle, timeline, job, features=hosted, cold=False)
    rate = bundle.hw.ddr.bytes_per_cycle
    needed = account.total(bundle, steps, rate)
    macs = bundle.job_macs(job)
    row = _row(case, bundle, work, [result], timeline.cycles, seconds, macs)
    array = macs / bundle.hw.macs_per_cycle
    row["first_frame"] = first.perf.cycles
    row["model"] = model_cycles(bundle, task, routing)
    row["of_bound"] = max(array, needed.memory) / timeline.cycles
    if case.banded:
        at = [model_cycles(bundle, task, routing, _at(bundle, speed)) for speed in BAND_GB_S]
        row["band_ms"] = [cycles / bundle.hw.clock_mhz / 1e3 for cycles in at]
    row["bit_exact"] = _exact(bundle, [image], [task], [result]) and _exact(bundle, [image], [task], [first])
    return row


def _in_a_row(
    case: Case, bundle: Bundle, device: RtlDevice, images: Sequence[Image], tasks: Sequence[str], work: str
) -> dict[str, Any]:
    """Frames without a pause between them, timed from the first cycle to the last."""
    device.load(bundle)
    device.run(images[0], task=tasks[0])
    device.simulation.record_cycles()
    started = time.perf_counter()
    results = device.run_batch(images, tasks)
    seconds = time.perf_counter() - started
    changes = device.simulation.changes()
    device.simulation.record_cycles(False)
    macs = sum(result.task.macs for result in results)
    row = _row(case, bundle, work, results, changes[-1][0] - changes[0][0], seconds, macs)
    row["bit_exact"] = _exact(bundle, images, tasks, results)
    return row


def _row(
    case: Case, bundle: Bundle, work: str, results: Sequence[Result], cycles: int, seconds: float, macs: int
) -> dict[str, Any]:
    """What every row has; of several frames all is of all of them, but for cycles, ms and fps: of one.

    first_frame: behind a load. model: cycles by the cycle model. of_bound: cycles that array or memory need
    at least, over those that it took. band_ms: at BAND_GB_S, by the cycle model. None: not measured.
    """
    hw, frames = bundle.hw, len(results)
    each = cycles / frames
    perfs = [result.perf for result in results]
    busy = [perf.array_busy for perf in perfs]
    return {
        "hw": case.hw,
        "model_name": case.model,
        "work": work,
        "frames": frames,
        "cycles": round(each),
        "first_frame": None,
        "model": None,
        "clock_mhz": hw.clock_mhz,
        "ms": each / hw.clock_mhz / 1e3,
        "ms_less": each / LESS_MHZ / 1e3 if hw.clock_mhz > LESS_MHZ else None,
        "band_ms": None,
        "fps": hw.clock_mhz * 1e6 / each,
        "macs_per_cycle": macs / cycles,
        "macs_per_cycle_dsp": macs / cycles / area_of(hw).dsp,
        "array_busy": sum(busy) / cycles if None not in busy else None,  # type: ignore[arg-type]
        "bytes_read": sum(perf.bytes_read for perf in perfs),
        "bytes_written": sum(perf.bytes_written for perf in perfs),
        "of_bound": None,
        "simulated_s": seconds,
        "bit_exact": None,
    }


def _at(bundle: Bundle, speed: float) -> DdrParameters:
    """The memory at so many GB/s."""
    return replace(DdrParameters.of(bundle.hw.ddr), bytes_per_cycle=1e3 * speed / bundle.hw.clock_mhz)


def _exact(bundle: Bundle, images: Sequence[Image], tasks: Sequence[str], results: Sequence[Result]) -> bool:
    """Does every integer equal the reference's? Each image and task is computed once."""
    with IssDevice(bundle.hw) as reference:
        reference.load(bundle)
        known: dict[tuple[int, str], Result] = {}
        for image, task, result in zip(images, tasks, results, strict=True):
            key = id(image), task
            if key not in known:
                known[key] = reference.run(image, task=task)
            if not same_result(result, known[key]):
                return False
    return True
