# SPDX-License-Identifier: Apache-2.0
"""A run's metrics: one JSON object per line, and a plot of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from peritus.ir.tensor_file import write_whole

METRICS_FILE, DAMAGED_FILE, PLOT_FILE = "metrics.jsonl", "metrics.damaged.jsonl", "curves.png"
LONGEST_LINE, MOST_VALUES = 1 << 16, 64  # bytes and entries; a line of ours has a few hundred, and a dozen
MOST_STEPS = 10**12
SHOWN = 60  # bytes of a damaged line in a warning

Line = dict[str, Any]  # "step", an integer, and numbers by name


class Journal:
    """Appends to `metrics.jsonl`. Lines beyond `step`, of a run that stopped unsaved, go: they come again.

    Lines that are damaged go to the end of `metrics.damaged.jsonl`, as they are, and `warn` hears of it.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path, step: int, warn: Callable[[str], None]) -> None:
        self.file = folder / METRICS_FILE
        lines, damaged = read(self.file)
        if damaged:
            aside = folder / DAMAGED_FILE
            before = aside.read_bytes() if aside.exists() else b""
            write_whole(aside, before + b"".join(text + b"\n" for text in damaged))
            warn(
                f"{self.file}: {len(damaged)} of {len(lines) + len(damaged)} lines are damaged and now in "
                f"{aside}; the first is {ascii(damaged[0][:SHOWN])[1:]}"
            )
        write_whole(self.file, b"".join(_text(line) for line in lines if line["step"] <= step))

    def write(self, step: int, **values: float) -> None:
        """Add one line; `step` counts finished steps."""
        with self.file.open("ab") as file:
            file.write(_text({"step": step, **{name: float(value) for name, value in values.items()}}))


def read(file: Path) -> tuple[list[Line], list[bytes]]:
    """The lines of a journal, and what is none of them: damaged, or cut off by a crash."""
    lines, damaged = [], []
    for text in file.read_bytes().split(b"\n") if file.exists() else []:
        line = _parsed(text)
        if line is not None:
            lines.append(line)
        elif text:
            damaged.append(text)
    return lines, damaged


def curves(lines: Iterable[Line]) -> dict[str, list[tuple[int, float]]]:
    """Every metric over the steps: points (step, value), in the order of the lines."""
    found: dict[str, list[tuple[int, float]]] = {}
    for line in lines:
        for name, value in line.items():
            if name != "step":
                found.setdefault(name, []).append((line["step"], float(value)))
    return found


def plot(folder: Path) -> Path | None:
    """Draw every metric over the steps, one panel each; None if there is nothing to draw yet.

    Needs matplotlib (extra `models`).
    """
    from matplotlib.figure import Figure

    found = curves(read(folder / METRICS_FILE)[0])
    if not found:
        return None
    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    figure = Figure(figsize=(4 * columns, 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for (name, points), axes in zip(found.items(), panels, strict=False):
        axes.plot(*zip(*points, strict=True), marker="." if len(points) < 40 else "", linewidth=1)
        axes.set_title(name, fontsize=9)
        axes.grid(alpha=0.3)
    for axes in figure.axes[len(found) :]:
        axes.remove()
    figure.supxlabel("step")
    figure.savefig(folder / PLOT_FILE, dpi=110)
    return folder / PLOT_FILE


def _text(line: Line) -> bytes:
    return json.dumps(line).encode() + b"\n"


def _parsed(text: bytes) -> Line | None:
    """A line that the journal may have: an object of numbers with a step; None if it is anything else."""
    if len(text) > LONGEST_LINE:
        return None
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None
    if not isinstance(line, dict) or type(line.get("step")) is not int or not 0 <= line["step"] <= MOST_STEPS:
        return None
    values = [(name, value) for name, value in line.items() if name != "step"]
    fits = len(values) <= MOST_VALUES and all(n.isidentifier() and type(v) is float for n, v in values)
    return line if fits else None
