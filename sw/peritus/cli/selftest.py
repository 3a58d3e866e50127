# SPDX-License-Identifier: Apache-2.0
"""`peritus selftest`: does this board do what it should?"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from peritus.arch.ip import bitstream_name
from peritus.bundle import Bundle
from peritus.cli.common import (
    DeviceOption,
    TimeoutOption,
    busy,
    open_with_progress,
    output_console,
    reports_errors,
    takes_device_options,
    write_json,
)
from peritus.report.selftest import Finding, expectations, record, selftest
from peritus.schema import read_json, read_text

_MARK = {True: "ok", False: "FAILED", None: ""}


@takes_device_options
@reports_errors
def selftest_command(
    bundle_file: Annotated[Path, typer.Argument(metavar="BUNDLE", help="For the device's configuration.")],
    device: DeviceOption = "pynq",
    expected: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What is expected; default: expected.json beside the bundle."),
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames of each task.")] = 8,
    timeout: TimeoutOption = None,
    json_target: Annotated[
        str, typer.Option("--json", metavar="FILE", help="All findings, to send back; - is standard output.")
    ] = "selftest.json",
    *,
    device_options: dict[str, Any],
) -> None:
    """Check a device: identity, clock, power, frames against expectations, memory ports, reset."""
    bundle = Bundle.load(bundle_file)
    beside = bundle_file.with_name("expected.json")
    file = expected or (beside if beside.is_file() else None)
    if file is None:
        with busy("Computing what is expected"):
            wanted = expectations(bundle)
    else:
        wanted = read_json(read_text(file))
    offered = {"bitstream": bundle_file.with_name(bitstream_name(bundle.hw)), "preloaded": bundle}
    console = output_console(json_target)
    found: list[Finding] = []
    with busy(f"Testing {device}") as progress:
        for finding in selftest(
            functools.partial(open_with_progress, device, bundle.hw, timeout, device_options, **offered),
            bundle,
            wanted,
            frames=frames,
        ):
            found.append(finding)
            progress(finding.name)
    table = Table(title=f"{bundle.model} on {device}", title_justify="left")
    for heading in ("", "check", "found"):
        table.add_column(heading, overflow="fold")
    for finding in found:
        table.add_row(_MARK[finding.ok], finding.name, finding.found)
    console.print(table)
    result = record(found, device, bundle)
    write_json(result, json_target)
    if not result["passed"]:
        raise typer.Exit(1)
