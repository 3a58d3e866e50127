# SPDX-License-Identifier: Apache-2.0
"""Does a board do what it should? One check after the other, and all of it as one record to send back.

Expectations are what the reference makes of the shipped scene: written beside the bundle when a board's
folder is packed, or computed on the spot.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from peritus.arch.pl_clock import TOLERANCE
from peritus.bundle import Bundle
from peritus.demo import SCENE
from peritus.errors import PeritusError
from peritus.photo import photo_for
from peritus.report.record import output_record
from peritus.runtime import Device, Result, open_device

REFERENCE = "iss"
PACKAGES = ("peritus", "numpy", "pynq")


class ExpectationError(PeritusError):
    """Expectations are for another bundle, or are none."""


@dataclass(frozen=True)
class Finding:
    """One check. ok: None where there was nothing to check against. values: what was measured."""

    name: str
    ok: bool | None
    found: str
    values: Mapping[str, Any]


def expectations(bundle: Bundle) -> dict[str, Any]:
    """What the reference makes of the scene: shapes and digests of every task's outputs, for JSON."""
    with open_device(REFERENCE, bundle.hw) as device:
        device.load(bundle)
        image = photo_for(SCENE, bundle.frame.shape)
        tasks = {
            task.name: _outputs(device.run(image, task=task.name, features=True)) for task in bundle.tasks
        }
    return {"model": bundle.model, "config_hash": f"{bundle.hw.hash64:#018x}", "tasks": tasks}


def selftest(
    opened: Callable[[], Device], bundle: Bundle, expected: Mapping[str, Any], *, frames: int
) -> Iterator[Finding]:
    """Every check, in order; ends with the first that leaves nothing to go on with.

    Args:
        opened: opens the device.
        expected: of `expectations`, for this bundle.
        frames: of each task.

    Raises:
        ExpectationError: `expected` is of another bundle.
    """
    wanted = {"model": bundle.model, "config_hash": f"{bundle.hw.hash64:#018x}"}
    if {key: expected.get(key) for key in wanted} != wanted or not isinstance(expected.get("tasks"), Mapping):
        raise ExpectationError(
            f"the expectations are not of {bundle.model} for {bundle.hw.name}: leave them out, or build again"
        )
    yield Finding("host", None, platform.platform(), _host())
    try:
        device = opened()
    except PeritusError as error:
        yield _failed("identity", error)
        return
    with device:
        yield Finding("identity", True, f"ID, ABI and configuration of {bundle.hw.name}", wanted)
        try:
            yield _clock(device)
        except PeritusError as error:
            yield _failed("clock", error)
        yield from _power(device)
        try:
            device.load(bundle)
        except PeritusError as error:
            yield _failed("program", error)
            return
        yield Finding("program", True, f"{bundle.model} loaded", {})
        yield from _frames(device, bundle, expected["tasks"], frames)
        yield _reset(device, bundle, expected["tasks"])


def record(findings: list[Finding], device: str, bundle: Bundle) -> dict[str, Any]:
    """All of it, for JSON. passed: nothing has failed."""
    return {
        "device": device,
        "hw": bundle.hw.name,
        "model": bundle.model,
        "provenance": bundle.provenance,
        "passed": all(finding.ok is not False for finding in findings),
        "findings": [asdict(finding) for finding in findings],
    }


def _frames(device: Device, bundle: Bundle, expected: Mapping[str, Any], frames: int) -> Iterator[Finding]:
    image = photo_for(SCENE, bundle.frame.shape)
    for task in bundle.tasks:
        try:
            results = [device.run(image, task=task.name, features=True) for _ in range(frames)]
        except PeritusError as error:
            yield _failed(f"frames of {task.name}", error)
            return
        right = sum(_outputs(result) == expected.get(task.name) for result in results)
        cycles = [result.perf.cycles for result in results]
        seconds = [round(result.perf.seconds, 6) for result in results]
        found = f"{right} of {frames} bit-exact"
        yield Finding(
            f"frames of {task.name}", right == frames, found, {"cycles": cycles, "seconds": seconds}
        )
        yield from _bandwidth(device, results[-1])


def _bandwidth(device: Device, result: Result) -> Iterator[Finding]:
    """Of the last frame, by the device's own counters."""
    perf, hw = result.perf, getattr(device, "hw", None)
    if hw is None or not perf.cycles or not perf.bytes_by_port:
        return
    rates = [round(count * hw.clock_mhz / perf.cycles / 1e3, 3) for count in perf.bytes_by_port]
    stalled = (perf.stall_weight or 0) / perf.cycles
    values = {"bytes": list(perf.bytes_by_port), "gb_s": rates, "waiting_for_weights": round(stalled, 4)}
    found = f"{' + '.join(f'{rate:.2f}' for rate in rates)} GB/s read, {stalled:.1%} waiting for weights"
    yield Finding(f"memory ports in {result.task.name}", None, found, values)


def _clock(device: Device) -> Finding:
    """What the logic was built for, and where that can be read, what it gets."""
    hw, reading = getattr(device, "hw", None), getattr(device, "clock_mhz", None)
    built = hw.clock_mhz if hw else None
    values = {"mhz": built}
    if built is None or reading is None:
        return Finding("clock", None, f"built for {built} MHz", values)
    found = round(reading(), 3)
    right = abs(found - built) <= built * TOLERANCE
    return Finding("clock", right, f"built for {built} MHz, set to {found} MHz", {**values, "set_mhz": found})


def _power(device: Device) -> Iterator[Finding]:
    """Rails that the board's monitors measure; PYNQ reads them where the kernel has a driver for them."""
    rails = getattr(device, "power_rails", None)
    if rails is not None:
        found = rails()
        text = ", ".join(f"{name} {watts:.2f} W" for name, watts in found.items()) or "none that can be read"
        yield Finding("power rails", None, text, {"watts": found})


def _reset(device: Device, bundle: Bundle, expected: Mapping[str, Any]) -> Finding:
    """Once more after a reset."""
    task = bundle.tasks[0].name
    try:
        device.reset()
        image = photo_for(SCENE, bundle.frame.shape)
        right = _outputs(device.run(image, task=task, features=True)) == expected.get(task)
    except PeritusError as error:
        return _failed("reset", error)
    return Finding("reset", right, f"{task} after it is {'' if right else 'not '}bit-exact", {})


def _failed(name: str, error: PeritusError) -> Finding:
    return Finding(name, False, f"{type(error).__name__}: {error}", {})


def _outputs(result: Result) -> dict[str, Any]:
    """What is exact of a result, as JSON reads it back."""
    return {name: entry for name, entry in output_record(result, {}).items() if "sha256" in entry}


def _host() -> dict[str, Any]:
    found: dict[str, Any] = {"platform": platform.platform(), "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found
