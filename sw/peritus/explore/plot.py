# SPDX-License-Identifier: Apache-2.0
"""A sweep as a picture: cycles against each resource, the front marked. SVG, written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 300, 260, 52, 44, 28
PANELS = (("dsp", "DSP48E2"), ("uram", "URAM288"), ("bram", "RAMB36"), ("ddr_bytes", "DDR, MB"))
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#b8860b", "#555555")
STYLE = "text{font:11px sans-serif;fill:#222}.axis{stroke:#888;fill:none}.t{font-size:12px;font-weight:bold}"


def svg(records: Sequence[dict[str, Any]], front: Sequence[dict[str, Any]]) -> str:
    """One panel for each resource; points of the front are filled and named when pointed at."""
    good = [record for record in records if "failed" not in record]
    models = sorted({record["model"] for record in good})
    chosen = {record["key"] for record in front}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * len(PANELS)}" '
        f'height="{HEIGHT + 18 * len(models)}"><style>{STYLE}</style>'
    ]
    for number, (cost, title) in enumerate(PANELS):
        parts += _panel(good, chosen, models, cost, title, number * WIDTH)
    for row, model in enumerate(models):
        y = HEIGHT + 18 * row + 6
        parts.append(f'<circle cx="{LEFT}" cy="{y}" r="4" fill="{COLOURS[row % len(COLOURS)]}"/>')
        parts.append(f'<text x="{LEFT + 10}" y="{y + 4}">{escape(model)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _panel(
    good: Sequence[dict[str, Any]], chosen: set[str], models: list[str], cost: str, title: str, left: float
) -> list[str]:
    x0, x1, y0, y1 = left + LEFT, left + WIDTH - 12, HEIGHT - BOTTOM, TOP
    parts = [
        f'<text class="t" x="{(x0 + x1) / 2}" y="16" text-anchor="middle">{title}</text>',
        f'<path class="axis" d="M{x0},{y1}V{y0}H{x1}"/>',
        f'<text x="{(x0 + x1) / 2}" y="{HEIGHT - 8}" text-anchor="middle">thousand cycles</text>',
    ]
    if not good:
        return parts
    unit = 1e6 if cost == "ddr_bytes" else 1
    xs = [record["cycles"] / 1e3 for record in good]
    ys = [record[cost] / unit for record in good]
    low_x, high_x = _range(xs)
    low_y, high_y = _range(ys)
    for share in (0.0, 0.5, 1.0):
        x, y = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
        parts.append(
            f'<text x="{x}" y="{y0 + 16}" text-anchor="middle">{low_x + share * (high_x - low_x):.4g}</text>'
        )
        parts.append(
            f'<text x="{x0 - 4}" y="{y + 4}" text-anchor="end">{low_y + share * (high_y - low_y):.4g}</text>'
        )
    for record, value_x, value_y in zip(good, xs, ys, strict=True):
        x = x0 + (value_x - low_x) / (high_x - low_x) * (x1 - x0)
        y = y0 + (value_y - low_y) / (high_y - low_y) * (y1 - y0)
        colour = COLOURS[models.index(record["model"]) % len(COLOURS)]
        fill = colour if record["key"] in chosen else "none"
        text = escape(f"{record['model']}: {record['point']}, {record['cycles']:,} cycles, {value_y:g}")
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" stroke="{colour}" fill="{fill}">'
            f"<title>{text}</title></circle>"
        )
    return parts


def _range(values: Sequence[float]) -> tuple[float, float]:
    """From a little below to a little above."""
    low, high = min(values), max(values)
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return low - margin, high + margin
