# SPDX-License-Identifier: Apache-2.0
"""What the commands share: errors, JSON, images, progress, devices."""

from __future__ import annotations

import functools
import inspect
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ParamSpec

import numpy as np
import numpy.typing as npt
import typer
from PIL import Image
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from peritus.arch.config import HwConfig
from peritus.devices import find_device, installed_devices
from peritus.errors import PeritusError
from peritus.runtime import Device, open_device
from peritus.runtime.driver.platform import Limit
from peritus.schema import printable

P = ParamSpec("P")

# People read stderr's progress and stdout's tables; with --json - stdout belongs to the JSON.
# Brackets in names of others are no markup, and their colons no emoji.
progress_console = Console(stderr=True, markup=False, emoji=False)

JsonOption = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Also write the result as JSON; - is standard output."),
]
TraceOption = Annotated[
    Path | None, typer.Option(help="Write a trace for ui.perfetto.dev: units, instructions, ring, ports.")
]
DEVICES, _ = installed_devices()
DeviceOption = Annotated[
    str, typer.Option(help="; ".join(f"{spec.name}: {spec.help}" for spec in DEVICES.values()) + ".")
]
HwOption = Annotated[
    str, typer.Option(help="Hardware configuration: the name of one in configs/, or a file MY.toml.")
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        min=1, help="Seconds until a silent device counts as hung; default: 10 on a board, else 600."
    ),
]


def reports_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Expected errors end a command with one line and exit status 1, not with a traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (PeritusError, OSError) as error:
            # Indented, so that a name with a line break begins no line of ours.
            said = printable(str(error)).replace("\n", "\n  ")
            progress_console.print(f"error: {said}", style="red", highlight=False, soft_wrap=True)
            raise typer.Exit(1) from error

    return run


def command_line() -> str:
    """As it was typed."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def output_console(json_target: str | None) -> Console:
    """Where tables go."""
    return Console(stderr=json_target == "-", markup=False, emoji=False)


def write_json(record: Any, target: str | None) -> None:
    """Write `record` to a file, or to standard output if the target is "-"."""
    if target is None:
        return
    text = json.dumps(record, indent=2) + "\n"
    if target == "-":
        sys.stdout.write(text)
        return
    path = Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_picture(picture: npt.NDArray[np.uint8], path: Path) -> str:
    """Save as PNG; the path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return str(path)


def _what() -> TextColumn:
    return TextColumn("{task.description}", markup=False)


def _progress(*columns: ProgressColumn) -> Progress:
    """Progress that leaves nothing behind, and shows nothing where standard error is no terminal."""
    quiet = not progress_console.is_terminal
    return Progress(*columns, console=progress_console, transient=True, disable=quiet)


@contextmanager
def busy(text: str) -> Iterator[Callable[[str], None]]:
    """A spinner with the elapsed time around something long whose end is not known; takes what goes on."""
    columns = (SpinnerColumn(), _what(), TimeElapsedColumn())
    with _progress(*columns) as progress:
        task = progress.add_task(text)
        yield lambda step: progress.update(task, description=f"{text} ({step})")


@contextmanager
def counted(text: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar around something countable; takes the number done."""
    columns = (_what(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _progress(*columns) as progress:
        task = progress.add_task(text, total=total)
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def counting(text: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar around countable things one after the other; takes what, the number done, and of how many."""
    columns = (_what(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _progress(*columns) as progress:
        task = progress.add_task(text, total=None)
        yield lambda what, done, total: progress.update(
            task, description=f"{text}: {what}", completed=done, total=total
        )


def takes_device_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each that a device takes as text; those given come as the dict `device_options`."""
    types: dict[str, Any] = {}
    helps: dict[str, list[str]] = {}
    for spec in DEVICES.values():
        for option in spec.options:
            if option.type is not None:
                types[option.name] = option.type
                helps.setdefault(option.name, []).append(f"{spec.name}: {option.help}")

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        given = {name: kwargs.pop(name) for name in types}
        given = {name: value for name, value in given.items() if value is not None}
        command(*args, device_options=given, **kwargs)

    signature = inspect.signature(command, eval_str=True)
    own = [parameter for parameter in signature.parameters.values() if parameter.name != "device_options"]
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[kind | None, typer.Option(help="; ".join(helps[name]) + ".")],
        )
        for name, kind in types.items()
    ]
    run.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *added)}
    return run


def open_with_progress(
    name: str,
    hw: HwConfig,
    timeout: float | None,
    given: Mapping[str, Any] = MappingProxyType({}),
    **offered: Any,
) -> Device:
    """Open a device; while a simulator is built for it, a bar shows how far that is.

    timeout: seconds for each frame; None: the device's own limit. given: options that the device must have.
    offered: options of any device; each takes its own.
    """
    spec = find_device(name)
    if timeout is not None:
        offered["limit"] = Limit(seconds=timeout)
    columns = (_what(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _progress(*columns) as progress:

        def show(build: Any) -> None:
            if not progress.tasks:
                progress.add_task(f"Building the {hw.name} simulator", total=None)
            progress.update(progress.tasks[0].id, completed=build.done, total=build.total or None)

        return open_device(spec.name, hw, **{**spec.takes({**offered, "progress": show}), **given})
