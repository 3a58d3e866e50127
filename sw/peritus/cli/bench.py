# SPDX-License-Identifier: Apache-2.0
"""peritus bench: the table of the documents."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from peritus.arch.config import load_config
from peritus.cli.common import JsonOption, busy, open_with_progress, reports_errors, write_json
from peritus.cli.jobs import NotBitExact
from peritus.runtime.rtl.device import RtlDevice, build_rtl


@reports_errors
def bench_command(
    hw: Annotated[str | None, typer.Option(help="Only this configuration.")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    processor: Annotated[
        bool, typer.Option("--processor/--no-processor", help="Also run the network on this processor.")
    ] = True,
    build: Annotated[bool, typer.Option("--build", help="Also time building the simulators afresh.")] = False,
    json_target: JsonOption = None,
) -> None:
    """Measure frames on the RTL, every integer compared, and print the tables of the documents."""
    from peritus.bench import find_cases, rows
    from peritus.bench.processor import processor_name, processor_rows
    from peritus.bench.table import band_table, peers_table, processor_table, table

    cases = find_cases(hw, model)
    found: list[dict[str, Any]] = []
    skipped = [
        {"hw": case.hw, "model_name": case.model, "skipped": case.missing} for case in cases if case.missing
    ]
    cases = [case for case in cases if not case.missing]
    for case in cases:
        with open_with_progress("rtl", load_config(case.hw), None) as device:
            assert isinstance(device, RtlDevice)
            with busy(f"{case.model} on {case.hw}"):
                found += rows(case, device)
    on_processor: list[dict[str, Any]] = []
    if processor:
        with busy("The processor"):
            on_processor = processor_rows()
    built = {name: _build_seconds(name) for name in dict.fromkeys(case.hw for case in cases)} if build else {}
    record = {
        "rtl": found,
        "skipped": skipped,
        "processor": {"name": processor_name(), "rows": on_processor},
        "build_s": built,
    }
    if json_target != "-":
        tables = [table(found), band_table(found)] if found else []
        tables += [f"Skipped: {row['model_name']} on {row['hw']}: {row['skipped']}" for row in skipped]
        if on_processor:
            tables.append(f"On {processor_name()}:\n\n{processor_table(on_processor)}")
        tables.append(peers_table())
        tables += [
            f"Simulator of {name} built in {seconds:.0f} s without cache." for name, seconds in built.items()
        ]
        typer.echo("\n\n".join(tables))
    write_json(record, json_target)
    if wrong := [row["work"] for row in found if not row["bit_exact"]]:
        raise NotBitExact(f"not bit-exact: {', '.join(wrong)}")


def _build_seconds(hw: str) -> float:
    """To build a simulator with an empty cache."""
    with busy(f"Building {hw}"), tempfile.TemporaryDirectory() as empty:
        start = time.perf_counter()
        build_rtl(load_config(hw), cache_dir=Path(empty))
        return time.perf_counter() - start
