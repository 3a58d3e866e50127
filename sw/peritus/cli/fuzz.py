# SPDX-License-Identifier: Apache-2.0
"""peritus fuzz: random networks on random hardware, compared integer by integer."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from peritus.arch.config import HwConfig, load_config
from peritus.cli.common import JsonOption, counted, output_console, reports_errors, write_json
from peritus.errors import PeritusError

if TYPE_CHECKING:
    from peritus.fuzz.campaign import Failure, Tally

SHRINKING = 300.0  # seconds


class FuzzFailed(PeritusError):
    """Something did not agree; the cases that show it are on disk."""


@reports_errors
def fuzz_command(
    count: Annotated[int, typer.Option(min=1, help="Cases to play.")] = 100,
    start: Annotated[int, typer.Option(min=0, help="Seed of the first.")] = 0,
    hw: Annotated[str, typer.Option(help="A configuration, or a file MY.toml.")] = "nano",
    hardware: Annotated[
        int, typer.Option(min=0, help="So many random configurations instead; each has a simulator to build.")
    ] = 0,
    device: Annotated[str, typer.Option(help="What is compared: rtl, pynq-sim, ulx3s-sim ...")] = "rtl",
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0: one per core.")] = 0,
    cluster: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler; its workers play.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="For cases that fail.")] = Path("fuzz"),
    replay: Annotated[Path | None, typer.Option(help="Play this one case instead.")] = None,
    json_target: JsonOption = None,
) -> None:
    """Draw networks, hardware, memory and queues at random; graph, simulator and device must agree.

    An interrupt ends it with the table of what was played until then.
    """
    from peritus.executors import workers
    from peritus.fuzz.campaign import Failure, Tally, opener_of, run_campaign, shrunk, try_case
    from peritus.fuzz.case import Case, draw, draw_hardware

    console = output_console(json_target)
    if replay is not None:
        case = Case.load(replay)
        opener_of(device)(case.hardware, case).close()  # what cannot be opened is no failure of a case
        outcome = try_case(case, device)
        if isinstance(outcome, Failure):
            raise FuzzFailed(f"{replay}: {outcome.error}")
        if outcome.too_large:
            raise FuzzFailed(f"{replay}: the network is too large for its hardware, nothing was compared")
        console.print(f"{replay}: {outcome.results} results agree, {outcome.cycles:,} cycles")
        return
    configurations = [draw_hardware(start + n) for n in range(hardware)] or [load_config(hw)]
    opener_of(device)(configurations[0], draw(start, configurations[0])).close()  # as above
    total, seeds, began = Tally(), list(range(start, start + count)), time.monotonic()
    with workers(jobs or os.cpu_count() or 1, cluster) as executor:
        try:
            with counted("Playing", count) as progress:
                for tally in run_campaign(configurations, seeds, device, executor):
                    total.add(tally)
                    progress(total.cases)
        finally:
            title = f"peritus fuzz, seeds {start} to {start + count - 1}, {device}"
            record = _told(console, title, configurations, total, count, time.monotonic() - began)
            write_json(record, json_target)
            _saved(console, total.failures, output)
    if not total.failures:
        return
    small = shrunk(total.failures[0], device, SHRINKING)
    path = output / f"seed{small.case.seed}_small.json"
    small.case.save(path)
    raise FuzzFailed(
        f"{len(total.failures)} of {total.cases} cases fail; the first, made smaller: "
        f"peritus fuzz --device {device} --replay {path}: {small.error}"
    )


def _told(
    console: Console, title: str, hardware: list[HwConfig], total: Tally, count: int, seconds: float
) -> dict[str, Any]:
    """Print what was played of `count` cases; the same for programs."""
    from peritus.fuzz.coverage import all_modes, varied

    modes = all_modes()
    never = sorted(" ".join(mode) for mode in modes - total.modes)
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    table.add_column("number", justify="right")
    for what, number in (
        ("cases", f"{total.cases:,}" + (f" of {count:,}" if total.cases < count else "")),
        ("of these too large for their hardware", f"{total.too_large:,}"),
        ("hardware configurations", f"{len(hardware):,}"),
        ("results compared", f"{total.results:,}"),
        ("cycles of the device", f"{total.cycles:,}"),
        ("modes of the instruction set", f"{len(modes) - len(never)} of {len(modes)}"),
        ("shapes (tokens, width, hidden width)", f"{len(total.shapes):,}"),
        ("seconds, simulators built included", f"{seconds:,.0f}"),
        ("failures", f"{len(total.failures):,}"),
    ):
        table.add_row(what, number)
    console.print(table)
    for name, values in varied(hardware).items():
        console.print(f"drawn: {name} {', '.join(map(str, values))}", markup=False)
    for mode in never:
        console.print(f"never: {mode}", markup=False)
    return {
        "asked": count,
        "cases": total.cases,
        "too_large": total.too_large,
        "hardware": len(hardware),
        "results": total.results,
        "cycles": total.cycles,
        "modes_never": never,
        "failures": [failure.error for failure in total.failures],
    }


def _saved(console: Console, failures: list[Failure], folder: Path) -> None:
    """Each case that failed, as a file that replays."""
    for failure in failures:
        folder.mkdir(parents=True, exist_ok=True)
        failure.case.save(folder / f"seed{failure.case.seed}.json")
        console.print(f"seed {failure.case.seed}: {failure.error}", markup=False)
