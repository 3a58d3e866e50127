# SPDX-License-Identifier: Apache-2.0
"""peritus report: one page that says where every cycle goes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from peritus.cli.common import HwOption, busy, command_line, output_console, reports_errors
from peritus.cli.frames import image_for, model_bundle

if TYPE_CHECKING:
    from peritus.pages import Subject


@reports_errors
def report_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="RUN|BUNDLE",
            help="Folder of a run (its run.json), a .bundle, or a model as of `peritus cycles`.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path("report.html"),
    against: Annotated[
        str | None, typer.Option(metavar="OTHER", help="Another of these; differences come first.")
    ] = None,
    build: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="JSON of `peritus build`, `build --estimate` or `timing`, of its configuration; repeatable.",
        ),
    ] = None,
    hw: HwOption = "zcu104",
    task: Annotated[str | None, typer.Option(help="Of a model; default: every task.")] = None,
    image_file: Annotated[
        Path | None, typer.Option("--image", help="Photo for a model; default: the shipped scene.")
    ] = None,
) -> None:
    """Write a page of a run, or of a bundle by the cycle model: maps, causes, timeline, layers, experts."""
    started = time.process_time()
    from peritus.pages.built import read_built
    from peritus.pages.page import write_page

    subjects = [_subject(name, hw, task, image_file) for name in (source, against) if name is not None]
    program = subjects[0].program
    built = read_built(build or [], program.hw.name if program else None)
    with busy("Writing the page"):
        write_page(output, *subjects, built=built)
    console = output_console(None)
    for subject in subjects:
        for note in (*subject.missing, *(note for frame in subject.frames for note in frame.notes)):
            console.print(f"missing: {note}", soft_wrap=True)
    timelines = [frame.timeline for subject in subjects for frame in subject.frames if frame.timeline]
    seconds = time.process_time() - started
    slices, size = sum(len(timeline) for timeline in timelines), output.stat().st_size / 1e6
    console.print(
        f"Report: {output}, {size:.1f} MB, {slices:,} slices, made in {seconds:.1f} s of one core",
        soft_wrap=True,
    )


def _subject(name: str, hw: str, task: str | None, image_file: Path | None) -> Subject:
    from peritus.pages import of_bundle, of_run
    from peritus.report.run_file import read_run

    path = Path(name)
    if path.is_dir() or path.suffix == ".json":
        return of_run(read_run(path))
    with busy(f"Compiling {name}"):
        bundle = model_bundle(name, hw)
    tasks = [task] if task is not None else [entry.name for entry in bundle.tasks]
    with busy("Routing and timing"):
        image = image_for(bundle, image_file)
        return of_bundle(bundle, image, tasks, name=path.stem, command=command_line())
