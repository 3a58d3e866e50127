# SPDX-License-Identifier: Apache-2.0
"""Running a job and comparing it with the reference, for `run` and `demo`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from rich.table import Table

from peritus.arch.config import HwConfig
from peritus.bundle import Bundle
from peritus.cli.common import busy
from peritus.devices import device_class, find_device
from peritus.errors import PeritusError
from peritus.report import same_result
from peritus.runtime import Device, Result, open_device

REFERENCE = "iss"  # what all other devices are compared with
RECORDING = {"rtl", "hls"}  # devices whose writes the mismatch locator reads


class NotBitExact(PeritusError):
    """A device and the reference disagree; says where."""


def run_job(device: Device, image: npt.NDArray[np.uint8], task: str, features: bool) -> Result:
    """One job with a spinner."""
    with busy(f"Running {task} on {device.name}"):
        return device.run(image, task=task, features=features)


def equals_reference(
    bundle: Bundle, hw: HwConfig, image: npt.NDArray[np.uint8], task: str, result: Result, device: str
) -> bool | None:
    """Run the same job on the reference: does every integer agree? None if the device is the reference."""
    if device == REFERENCE:
        return None
    with busy(f"Comparing {task} with the reference"), open_device(REFERENCE, hw) as reference:
        reference.load(bundle)
        features = result.raw_features is not None
        return same_result(result, reference.run(image, task=task, features=features))


def explain_mismatch(
    bundle: Bundle,
    hw: HwConfig,
    image: npt.NDArray[np.uint8],
    task: str,
    device: str,
    features: bool,
    power_up: str | None = None,
) -> NotBitExact:
    """The error for a result that is not the reference's; where a device records its writes, the first that
    differs is looked for.

    power_up: of the device, where it is simulated hardware.
    """
    where = "its result differs from the reference"
    if device in RECORDING:
        from peritus.debug.locate import locate

        options = {"power_up": power_up} if power_up else {}
        kind = device_class(find_device(device), {})
        with busy("Looking for the first difference"):
            difference = locate(bundle, hw, image, task=task, features=features, device=kind, **options)
        where = str(difference) if difference is not None else f"{where}, but not when repeated"
    powered_up = f"; power-up {power_up}" if power_up else ""
    return NotBitExact(f"task {task} on {device} is not bit-exact: {where}{powered_up}")


def power_up_of(device: Device) -> str | None:
    """How simulated hardware was powered up; None for what is not simulated hardware."""
    power_up = getattr(device, "power_up", None)
    return None if power_up is None else str(power_up)


def results_table(records: list[dict[str, object]], title: str) -> Table:
    """One row per job; what a device without a clock cannot tell is left out as a dash."""
    table = Table(title=title, title_justify="left")
    for column in ("task", "device", "cycles", "ms", "MAC util.", "read MB", "written kB", "exact"):
        table.add_column(column, justify="left" if column in ("task", "device") else "right")
    for record in records:
        table.add_row(
            str(record["task"]),
            str(record["device"]),
            _number(record["cycles"], ",d"),
            _number(record["latency_ms"], ".2f"),
            _number(record["mac_utilization"], ".1%"),
            _number(record["ddr_bytes_read"], ".2f", 1e-6),
            _number(record["ddr_bytes_written"], ".1f", 1e-3),
            {True: "yes", False: "NO", None: "-"}[record["bit_exact"]],  # type: ignore[index]
        )
    return table


def _number(value: object, form: str, factor: float = 1.0) -> str:
    if not isinstance(value, int | float):
        return "-"
    return format(value if factor == 1.0 else value * factor, form)
