# SPDX-License-Identifier: Apache-2.0
"""The charts of a page, by Bokeh: timeline with ring and ports under it, and roofline.

A timeline has tens of thousands of slices. They travel compressed (PackedTimeline) and are put into the empty
sources here, one of each cause, by page.js: of the part that is looked at, and what is closer than a pixel as
one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from peritus.arch.config import HwConfig
from peritus.pages.stream import port_use, ring_fill
from peritus.pages.subject import Frame
from peritus.pages.units import COLOURS, UNIT_OF, UNITS
from peritus.runtime.timeline import Cause

PORT_COLOURS = ("#2f6db5", "#6fa0d6", "#2f9a7d", "#7cc4ae")
QUIET = ("#b9c2cc", "#8d99a6")  # layers and instructions, alternating
TRACK = 22  # pixels
TRACKS = ("layers", "instructions")
NOT_ON_PAPER = "@media print { :host { display: none; } }"
TOOLS = "xpan,xbox_zoom,xzoom_in,xzoom_out,reset"


def timeline(frame: Frame, hw: HwConfig, number: int) -> Any:
    """Units as tracks over the cycles of a frame; under it the ring and the ports, on the same axis."""
    from bokeh.layouts import column
    from bokeh.models import BoxZoomTool, FixedTicker, HoverTool, Range1d, WheelZoomTool

    assert frame.timeline is not None and frame.total is not None
    cycles, causes = frame.timeline.cycles, frame.total.causes
    used = {UNIT_OF[cause] for cause in causes}
    names = [*TRACKS, *(unit for unit, _ in UNITS if unit in used)]
    places = {name: len(names) - 1 - row for row, name in enumerate(names)}
    figure = _figure(
        TRACK * len(names) + 40,
        x_range=Range1d(start=0, end=cycles, bounds=(0, cycles)),
        y_range=(-0.6, len(names) - 0.4),
        tools=TOOLS,
        name=f"timeline-{number}",
    )
    figure.yaxis.ticker = FixedTicker(ticks=list(places.values()))
    figure.yaxis.major_label_overrides = {place: name for name, place in places.items()}
    figure.ygrid.grid_line_color = None
    blocks = [_blocks(figure, frame, name, places[name]) for name in TRACKS]
    slices = [_slices(figure, cause, places[UNIT_OF[cause]], number) for cause in causes]
    figure.add_tools(
        HoverTool(
            renderers=blocks + slices,
            point_policy="follow_mouse",
            tooltips=[
                ("", "@what"),
                ("layer", "@layer"),
                ("expert", "@expert"),
                ("cause", "@cause"),
                ("cycles", "@cycles{0,0}"),
                ("from", "@left{0,0} to @right{0,0}"),
                ("slices", "@slices"),
            ],
        )
    )
    zoom = WheelZoomTool(dimensions="width", modifiers={"ctrl": True})
    figure.add_tools(zoom)
    figure.toolbar.active_scroll = zoom
    figure.toolbar.active_drag = figure.select_one(BoxZoomTool)
    parts = [figure]
    if frame.stream is not None:
        parts += [_ring(frame, hw, figure.x_range), _ports(frame, hw, figure.x_range)]
    for part in parts[:-1]:
        part.xaxis.visible = False
    parts[-1].xaxis.axis_label = f"cycles of the frame ({frame.source})"
    parts[-1].height += 46  # of the axis
    return column(*parts, sizing_mode="stretch_width")


def _figure(height: int, **options: Any) -> Any:
    from bokeh.plotting import figure

    made = figure(
        height=height,
        sizing_mode="stretch_width",
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        min_border_left=92,
        min_border_right=12,
        output_backend="canvas",
        lod_threshold=None,  # page.js draws only what can be seen
        toolbar_location=options.pop("toolbar_location", "above"),
        **options,
    )
    made.toolbar.logo = None
    made.toolbar.stylesheets = [NOT_ON_PAPER]
    made.xaxis.formatter = _thousands()
    for axis in (made.xaxis, made.yaxis):
        axis.axis_label_text_font_style = "normal"
        axis.minor_tick_line_color = None
    return made


def _thousands() -> Any:
    from bokeh.models import NumeralTickFormatter

    return NumeralTickFormatter(format="0,0")


def _blocks(figure: Any, frame: Frame, track: str, place: int) -> Any:
    """Layers or instructions, each from its first cycle to its last."""
    from bokeh.models import ColumnDataSource, Quad

    rows = []
    if track == "layers":
        for layer in frame.layers:
            rows.append((layer.start, layer.end, layer.name, layer.name, "", layer.cycles))
    else:
        for step in frame.steps:
            expert = str(step.instruction.expert) if step.instruction.expert_valid else ""
            what = f"{step.index} {step.instruction.opcode.name} {step.label}"
            rows.append((step.start, step.end, what, step.layer, expert, step.cycles))
    columns = list(zip(*rows, strict=True))
    source = ColumnDataSource(
        {
            "left": np.array(columns[0], np.int32),
            "right": np.array(columns[1], np.int32),
            "what": list(columns[2]),
            "layer": list(columns[3]),
            "expert": list(columns[4]),
            "cycles": np.array(columns[5], np.int32),
            "cause": [""] * len(rows),
            "slices": [""] * len(rows),
            "colour": [QUIET[row % 2] for row in range(len(rows))],
        }
    )
    glyph = Quad(
        left="left", right="right", top=place + 0.36, bottom=place - 0.36, fill_color="colour", line_width=0
    )
    return figure.add_glyph(source, glyph)  # figure.quad would make three more glyphs of each


def _slices(figure: Any, cause: Cause, place: int, number: int) -> Any:
    """The slices of a cause: none yet."""
    from bokeh.models import ColumnDataSource, Quad

    names = ("left", "right", "what", "layer", "expert", "cycles", "cause", "slices")
    source = ColumnDataSource({name: [] for name in names}, name=f"spans-{number}-{cause.name}")
    glyph = Quad(
        left="left", right="right", top=place + 0.42, bottom=place - 0.42, fill_color=COLOURS[cause],
        line_color=COLOURS[cause], line_width=0.4,
    )  # fmt: skip
    return figure.add_glyph(source, glyph)


def _ring(frame: Frame, hw: HwConfig, x_range: Any) -> Any:
    cycles, words = ring_fill(frame, hw)
    made = _small(x_range, (0, hw.weight_store_words), "ring, words")
    made.varea(x=_thin(cycles), y1=0, y2=_thin(words), fill_color="#2f6db5", fill_alpha=0.18)
    made.line(_thin(cycles), _thin(words), color="#2f6db5", line_width=1.2)
    return made


def _ports(frame: Frame, hw: HwConfig, x_range: Any) -> Any:
    edges, rates = port_use(frame, hw)
    below = np.zeros(len(edges) - 1)
    highest = max(hw.ddr.bytes_per_cycle, float(sum(rates).max())) * 1.08
    made = _small(x_range, (0, highest), "B/cycle")
    middle = (edges[:-1] + edges[1:]) / 2
    for port, rate in enumerate(rates):
        made.varea(
            x=_thin(middle), y1=_thin(below), y2=_thin(below + rate), legend_label=f"port {port}",
            fill_color=PORT_COLOURS[port],
        )  # fmt: skip
        below = below + rate
    made.line([0, frame.stream.cycles if frame.stream else 0], [hw.ddr.bytes_per_cycle] * 2,
              color="#c8443c", line_dash="dashed", legend_label="sustained")  # fmt: skip
    made.legend.orientation = "horizontal"
    made.legend.location = "top_right"
    made.legend.background_fill_alpha = 0.7
    made.legend.border_line_color = None
    made.legend.padding, made.legend.margin, made.legend.label_text_font_size = 2, 0, "11px"
    return made


def _thin(values: Any) -> Any:
    return np.asarray(values, np.float32)


def _small(x_range: Any, y_range: tuple[float, float], label: str) -> Any:
    made = _figure(92, x_range=x_range, y_range=y_range, tools="", toolbar_location=None)
    made.yaxis.axis_label = label
    made.yaxis.formatter = _thousands()
    made.yaxis.ticker.desired_num_ticks = 3
    return made


def roofline(frame: Frame, hw: HwConfig, bytes_per_cycle: float, number: int) -> Any:
    """Layers by what they read and what they reach. Weights come ahead of their layer, which may so be above
    the slope; the frame as a whole may not."""
    from bokeh.models import ColumnDataSource, HoverTool

    layers = [layer for layer in frame.layers if layer.macs and layer.bytes]
    if not layers or frame.total is None:
        return None
    points = [*layers, frame.total]
    xs = [layer.macs / layer.bytes for layer in points]
    ys = [layer.macs / layer.cycles for layer in points]
    ridge = hw.macs_per_cycle / bytes_per_cycle
    low, high = min([*xs, ridge]) / 2, max([*xs, ridge]) * 2
    made = _figure(
        380, x_axis_type="log", y_axis_type="log", x_range=(low, high),
        y_range=(min(ys) / 2, hw.macs_per_cycle * 1.6), tools="", toolbar_location=None,
        name=f"roofline-{number}",
    )  # fmt: skip
    made.xaxis.axis_label = "multiply-accumulates of the array for each byte of external memory"
    made.yaxis.axis_label = "multiply-accumulates a cycle"
    made.yaxis.formatter = _thousands()
    made.line([low, ridge, high], [low * bytes_per_cycle, hw.macs_per_cycle, hw.macs_per_cycle],
              color="#7d8590", line_width=2)  # fmt: skip
    source = ColumnDataSource(
        {
            "x": xs,
            "y": ys,
            "name": [layer.name for layer in points],
            "cycles": [layer.cycles for layer in points],
            "size": [7.0] * len(layers) + [15.0],
            "colour": ["#2f6db5"] * len(layers) + ["#c8443c"],
        }
    )
    dots = made.scatter("x", "y", size="size", color="colour", alpha=0.75, source=source)
    tips = [
        ("", "@name"),
        ("MAC/byte", "@x{0.0}"),
        ("MAC/cycle", "@y{0,0}"),
        ("cycles", "@cycles{0,0}"),
    ]
    made.add_tools(HoverTool(renderers=[dots], tooltips=tips))
    return made
