# SPDX-License-Identifier: Apache-2.0
"""A run's metrics: one JSON object per line, and a plot of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

METRICS_FILE, PLOT_FILE = "metrics.jsonl", "curves.png"


class Journal:
    """Appends to `metrics.jsonl`; drops the lines beyond `step` of a run that stopped unsaved."""

    def __init__(self, folder: Path, step: int) -> None:
        self.file = folder / METRICS_FILE
        kept = [line for line in read(self.file) if line["step"] <= step]
        partial = self.file.with_name(METRICS_FILE + ".part")
        partial.write_text("".join(json.dumps(line) + "\n" for line in kept))
        partial.replace(self.file)

    def write(self, step: int, **values: Any) -> None:
        """Add one line; `step` counts finished steps."""
        with self.file.open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")


def read(file: Path) -> list[dict[str, Any]]:
    """All whole lines; an interrupted last one is left out."""
    lines = []
    for text in file.read_text().splitlines() if file.exists() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


def plot(folder: Path) -> Path | None:
    """Draw every metric over the steps, one panel each; None if there is nothing to draw yet.

    Needs matplotlib (extra `models`).
    """
    from matplotlib.figure import Figure

    lines = read(folder / METRICS_FILE)
    names = list(dict.fromkeys(key for line in lines for key, v in line.items() if isinstance(v, float)))
    if not names:
        return None
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(4 * columns, 2.6 * rows), layout="constrained")
    for name, axes in zip(names, figure.subplots(rows, columns, squeeze=False).flat, strict=False):
        points = [(line["step"], line[name]) for line in lines if name in line]
        axes.plot(*zip(*points, strict=True), marker="." if len(points) < 40 else "", linewidth=1)
        axes.set_title(name, fontsize=9)
        axes.grid(alpha=0.3)
    for axes in figure.axes[len(names) :]:
        axes.remove()
    figure.supxlabel("step")
    figure.savefig(folder / PLOT_FILE, dpi=110)
    return folder / PLOT_FILE
