# SPDX-License-Identifier: Apache-2.0
"""Rows as tables of Markdown: what the documents show is what the command prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from peritus.bench.measure import BAND_GB_S
from peritus.pages.numbers import LESS_MHZ
from peritus.pages.peers import PEERS

Cell = Callable[[dict[str, Any]], str]


def _if(name: str, form: Callable[[Any], str]) -> Cell:
    return lambda row: "" if row[name] is None else form(row[name])


COLUMNS: tuple[tuple[str, Cell], ...] = (
    ("hw", lambda row: row["hw"]),
    ("model", lambda row: row["model_name"]),
    ("work", lambda row: row["work"]),
    ("cycles a frame", lambda row: f"{row['cycles']:,}"),
    ("first frame", _if("first_frame", "{:,}".format)),
    ("cycle model", _if("model", "{:,}".format)),
    ("ms", lambda row: f"{row['ms']:.3f}"),
    (f"ms at {LESS_MHZ:.0f} MHz", _if("ms_less", "{:.3f}".format)),
    ("FPS", lambda row: f"{row['fps']:,.0f}"),
    ("MAC/cycle", lambda row: f"{row['macs_per_cycle']:,.1f}"),
    ("per DSP", lambda row: f"{row['macs_per_cycle_dsp']:.2f}"),
    ("array busy", _if("array_busy", "{:.1%}".format)),
    ("of bound", _if("of_bound", "{:.1%}".format)),
    ("read MB", lambda row: f"{row['bytes_read'] / 1e6:.2f}"),
    ("written kB", lambda row: f"{row['bytes_written'] / 1e3:.1f}"),
    ("simulated s", lambda row: f"{row['simulated_s']:.1f}"),
    ("bit-exact", _if("bit_exact", lambda exact: "yes" if exact else "NO")),
)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Frames on the RTL."""
    return _markdown([name for name, _ in COLUMNS], [[cell(row) for _, cell in COLUMNS] for row in rows])


def band_table(rows: Sequence[dict[str, Any]]) -> str:
    """The same frames over what a board's memory may sustain, by the cycle model."""
    heads = ["hw", "model", "work", *(f"ms at {speed:g} GB/s" for speed in BAND_GB_S)]
    lines = [
        [row["hw"], row["model_name"], row["work"], *(f"{ms:.3f}" for ms in row["band_ms"])]
        for row in rows
        if row["band_ms"]
    ]
    return _markdown(heads, lines)


def processor_table(rows: Sequence[dict[str, Any]]) -> str:
    """Networks on a processor; why one is missing."""
    heads = ["model", "work", "by", "arithmetic", "threads", "ms a frame"]
    lines = [
        [
            row["model_name"],
            row["work"],
            row["by"],
            row["arithmetic"],
            str(row["threads"]),
            f"{row['ms']:.1f}",
        ]
        if "skipped" not in row
        else [row["model_name"], f"skipped: {row['skipped']}", "", "", "", ""]
        for row in rows
    ]
    return _markdown(heads, lines)


def peers_table() -> str:
    """What others published."""
    heads = ["published", "network", "measured on", "arithmetic", "ms", "FPS", "GOPS/W", "source"]
    lines = [
        [
            peer.name,
            peer.network,
            peer.device,
            peer.arithmetic,
            *(
                "" if value is None else f"{value:g}"
                for value in (peer.milliseconds, peer.frames_per_second, peer.gops_per_watt)
            ),
            peer.source,
        ]
        for peer in PEERS
    ]
    return _markdown(heads, lines)


def _markdown(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return (
        "\n".join("| " + " | ".join(row) + " |" for row in rows)
        .replace("| --- ", "|---")
        .replace("--- |", "---|")
    )
