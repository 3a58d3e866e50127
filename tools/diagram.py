# SPDX-License-Identifier: Apache-2.0
"""The block diagram of README and landing page, docs/images/architecture.svg: the same bytes everywhere.

    python tools/diagram.py [FILE]      or `make generated`

Boxes have their own fill and dark text, everything else is a grey that reads on white and on black.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

from peritus.arch import load_config
from peritus.arch.config import config_names

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "images" / "architecture.svg"
WIDTH, HEIGHT = 1040, 520
GREY = "#76818f"
SOFTWARE, CONTROL, MEMORY, COMPUTE, OUTSIDE = "#cfe3ff", "#e4dcfa", "#d3f0dc", "#ffe2c2", "#e6e9ee"


@dataclass(frozen=True)
class Box:
    """A labelled rectangle; lines after the first are small. x, y: top left corner, pixels."""

    x: int
    y: int
    width: int
    height: int
    fill: str
    lines: tuple[str, ...]

    def svg(self) -> str:
        middle = self.x + self.width / 2
        top = self.y + self.height / 2 - 8 * (len(self.lines) - 1) + 5
        texts = [
            f'<text x="{middle:g}" y="{top + 16 * i:g}" class="{"small" if i else "name"}">'
            f"{escape(line)}</text>"
            for i, line in enumerate(self.lines)
        ]
        rectangle = (
            f'<rect x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}" rx="7" '
            f'fill="{self.fill}"/>'
        )
        return "\n".join([rectangle, *texts])


def arrow(*points: tuple[int, int], label: str = "", at: tuple[int, int] | None = None) -> str:
    """A line through `points` with a head at its end; `label` begins at `at`."""
    path = " L ".join(f"{x} {y}" for x, y in points)
    line = f'<path d="M {path}" class="arrow" marker-end="url(#head)"/>'
    return line + (f'\n<text x="{at[0]}" y="{at[1]}" class="note">{escape(label)}</text>' if at else "")


def software() -> list[str]:
    """The row above: from the network to a device."""
    names = (
        ("M³ViT", "PyTorch, Brevitas"),
        ("integer graph", "peritus.ir"),
        ("compiler", "peritus.compiler"),
        ("bundle", "program, weights"),
        ("driver", "peritus.runtime"),
        ("result", "classes, depth, cycles"),
    )
    boxes = [Box(20 + 172 * i, 34, 140, 56, SOFTWARE, lines) for i, lines in enumerate(names)]
    arrows = [arrow((160 + 172 * i, 62), (190 + 172 * i, 62)) for i in range(len(names) - 1)]
    note = '<text x="176" y="26" class="note" style="text-anchor: middle">QONNX</text>'
    return [*(box.svg() for box in boxes), *arrows, note]


def accelerator() -> list[str]:
    """The blocks of peritus_top; the pipeline runs from left to right in the middle."""
    boxes = [
        Box(20, 236, 88, 180, OUTSIDE, ("DDR", "program", "weights", "image", "maps")),
        Box(150, 152, 150, 46, CONTROL, ("registers, jobs", "AXI4-Lite")),
        Box(340, 152, 150, 46, CONTROL, ("sequencer", "instructions, tasks")),
        Box(150, 236, 130, 56, MEMORY, ("weight ring", "filled ahead of use")),
        Box(320, 236, 130, 56, COMPUTE, ("tile loader", "next tile")),
        Box(320, 330, 130, 56, COMPUTE, ("operand fetch", "a token a cycle")),
        Box(490, 236, 150, 150, COMPUTE, ("MAC array", "PK × PN int8", *array_sizes())),
        Box(680, 283, 130, 56, COMPUTE, ("accumulators", "27 bits")),
        Box(850, 262, 150, 98, COMPUTE, ("epilogue", "requantize, GELU", "softmax, score", "residual add")),
        Box(
            320, 430, 490, 50, MEMORY, ("on-chip memories", "activations · keys, values · scores · residual")
        ),
        Box(680, 172, 130, 56, COMPUTE, ("router", "a queue per expert")),
        Box(850, 430, 150, 50, COMPUTE, ("LayerNorm",)),
        Box(150, 352, 130, 40, MEMORY, ("image loader",)),
        Box(150, 430, 130, 50, MEMORY, ("result writer",)),
    ]
    arrows = [
        arrow((108, 264), (146, 264)),
        arrow((280, 264), (316, 264)),
        arrow((450, 264), (486, 264)),
        arrow((450, 358), (486, 358)),
        arrow((640, 311), (676, 311)),
        arrow((810, 311), (846, 311)),
        arrow((300, 175), (336, 175)),
        arrow((415, 198), (415, 232)),
        arrow((108, 372), (146, 372)),
        arrow((280, 372), (300, 372), (300, 446), (316, 446)),
        arrow((385, 430), (385, 390)),
        arrow((340, 430), (340, 408), (306, 408), (306, 282), (316, 282)),
        arrow((925, 360), (925, 396), (760, 396), (760, 426)),
        arrow((925, 262), (925, 200), (814, 200), label="gate logits", at=(832, 192)),
        arrow((680, 200), (466, 200), (466, 344), (454, 344), label="tokens of an expert", at=(512, 192)),
        arrow((810, 446), (846, 446)),
        arrow((850, 466), (814, 466)),
        arrow((320, 462), (284, 462)),
        arrow((150, 455), (64, 455), (64, 420)),
        arrow((778, 90), (778, 112), (225, 112), (225, 148)),
    ]
    frame = (
        '<rect x="130" y="130" width="890" height="370" rx="10" class="frame"/>\n'
        '<text x="1008" y="150" class="note" style="text-anchor: end">'
        "the accelerator: rtl/peritus_top.sv</text>"
    )
    return [frame, *arrows, *(box.svg() for box in boxes)]


def array_sizes() -> list[str]:
    """PK × PN of the configurations that come with the project, smallest first."""
    configs = sorted((load_config(name) for name in config_names()), key=lambda hw: hw.pk * hw.pn)
    return [f"{hw.name}: {hw.pk} × {hw.pn}" for hw in configs]


def drawing() -> str:
    """The SVG."""
    style = (
        "text { font-family: system-ui, 'Segoe UI', Roboto, sans-serif; text-anchor: middle; } "
        ".name { font-size: 13px; font-weight: 600; fill: #16202c; } "
        ".small { font-size: 12px; fill: #33404f; } "
        f".note {{ font-size: 12px; fill: {GREY}; text-anchor: start; }} "
        f".arrow {{ fill: none; stroke: {GREY}; stroke-width: 1.6; }} "
        f".frame {{ fill: none; stroke: {GREY}; stroke-width: 1.2; stroke-dasharray: 5 4; }}"
    )
    head = (
        '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto">'
        f'<path d="M 0 0 L 8 4 L 0 8 z" fill="{GREY}"/></marker>'
    )
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" aria-label="From PyTorch to the blocks of the accelerator">'
    )
    body = [f"<style>{style}</style>", f"<defs>{head}</defs>", *software(), *accelerator()]
    return "\n".join([opening, *body, "</svg>"]) + "\n"


def main() -> int:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.write_text(drawing())
    return 0


if __name__ == "__main__":
    sys.exit(main())
