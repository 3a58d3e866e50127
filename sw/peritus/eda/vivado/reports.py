# SPDX-License-Identifier: Apache-2.0
"""Vivado's reports as numbers: utilization, timing, power.

The forms are those of report_utilization, report_timing_summary and report_power -file (UG906, UG907): boxed
tables for the first and the last, columns under headings two blanks apart for timing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from peritus.arch.pl_clock import TOLERANCE
from peritus.eda.errors import ReportError, TimingNotMet
from peritus.eda.vivado.project import REPORTS, Project

# Site types of UltraScale+ and what we call them.
SITES = {
    "CLB LUTs": "lut",
    "CLB Registers": "ff",
    "Block RAM Tile": "bram36",
    "URAM": "uram",
    "DSPs": "dsp",
}


@dataclass(frozen=True)
class Utilization:
    """Sites of one kind; a RAMB18 alone counts as half a bram36."""

    used: float
    available: float


@dataclass(frozen=True)
class Timing:
    """Worst slacks in ns of setup, hold, pulse width (negative: not met). clocks_mhz: constraints by name."""

    wns_ns: float
    whs_ns: float
    wpws_ns: float
    clocks_mhz: dict[str, float]


@dataclass(frozen=True)
class Power:
    """Estimate in W; confidence: Low, Medium or High, as Vivado says."""

    total_w: float
    dynamic_w: float
    static_w: float
    confidence: str


@dataclass(frozen=True)
class BuildReport:
    """All of one build. attempts: MHZ_STRATEGY, worst setup slack in ns."""

    utilization: dict[str, Utilization]
    timing: Timing
    power: Power
    attempts: dict[str, float]

    def record(self) -> dict[str, Any]:
        """For JSON; clock_mhz is what the design was built for."""
        return {"clock_mhz": max(self.timing.clocks_mhz.values(), default=None), **asdict(self)}


def read_reports(project: Project) -> BuildReport:
    """Parse what Vivado has written.

    Raises:
        ReportError: a report is missing, truncated, or not of the documented form.
    """
    utilization, timing, power = (project.report(name) for name in REPORTS)
    attempts = {path.stem: parse_timing(path).wns_ns for path in project.attempts}
    return BuildReport(parse_utilization(utilization), parse_timing(timing), parse_power(power), attempts)


def check_timing(timing: Timing, clocks: Sequence[float]) -> float:
    """The clock in MHz that the design is constrained to and meets.

    Raises:
        TimingNotMet: a slack is negative, or that clock is none of `clocks`.
    """
    fastest = max(timing.clocks_mhz.values(), default=0.0)
    for what, slack in (("setup", timing.wns_ns), ("hold", timing.whs_ns), ("pulse width", timing.wpws_ns)):
        if slack < 0:
            raise TimingNotMet(f"worst {what} slack is {slack} ns at {fastest:g} MHz, must be at least 0")
    for mhz in clocks:
        if abs(fastest - mhz) <= mhz * TOLERANCE:
            return mhz
    wanted = " or ".join(f"{mhz:g}" for mhz in clocks)
    raise TimingNotMet(f"the fastest clock is constrained to {fastest} MHz, must be {wanted} MHz")


def parse_utilization(path: Path) -> dict[str, Utilization]:
    """Of report_utilization, by our names (SITES)."""
    found: dict[str, Utilization] = {}
    columns: list[str] = []
    for cells in _boxed(path):
        if cells[0] == "Site Type":
            columns = cells
        site = SITES.get(cells[0].rstrip("*"))
        if site and columns:
            if len(cells) != len(columns):
                raise ReportError(f"{path}: row {cells[0]!r} has {len(cells)} columns, not {len(columns)}")
            row = dict(zip(columns, cells, strict=True))
            found[site] = Utilization(
                *(_number(path, cells[0], row.get(column, "")) for column in ("Used", "Available"))
            )
    missing = [name for name, site in SITES.items() if site not in found]
    if missing:
        raise ReportError(f"{path}: no row {', '.join(missing)}; truncated?")
    return found


def parse_timing(path: Path) -> Timing:
    """Of report_timing_summary: its Design Timing Summary and Clock Summary."""
    lines = _read(path).splitlines()
    summary = _columns(path, lines, "Design Timing Summary", "WNS(ns)")
    if not summary:
        raise ReportError(f"{path}: no values below Design Timing Summary; truncated?")
    clocks = _columns(path, lines, "Clock Summary", "Clock")
    if not clocks:
        raise ReportError(f"{path}: no clock below Clock Summary; truncated?")
    wns, whs, wpws = (_number(path, name, summary[0][name]) for name in ("WNS(ns)", "WHS(ns)", "WPWS(ns)"))
    frequencies = {
        row["Clock"]: _number(path, f"frequency of {row['Clock']}", row["Frequency(MHz)"]) for row in clocks
    }
    return Timing(wns, whs, wpws, frequencies)


def parse_power(path: Path) -> Power:
    """Of report_power: its Summary."""
    rows = {cells[0]: cells[1] for cells in _boxed(path) if len(cells) == 2}
    names = ("Total On-Chip Power (W)", "Dynamic (W)", "Device Static (W)", "Confidence Level")
    missing = [name for name in names if name not in rows]
    if missing:
        raise ReportError(f"{path}: no row {', '.join(missing)}; truncated?")
    total, dynamic, static = (_number(path, name, rows[name]) for name in names[:3])
    return Power(total, dynamic, static, rows[names[3]])


def _read(path: Path) -> str:
    if not path.is_file():
        raise ReportError(f"{path}: Vivado has written no such report")
    return path.read_text(errors="replace")


def _boxed(path: Path) -> Iterator[list[str]]:
    """Cells of every line `| a | b |`."""
    for line in _read(path).splitlines():
        text = line.strip()
        if text.startswith("|") and text.endswith("|") and len(text) > 1:
            yield [cell.strip() for cell in text[1:-1].split("|")]


def _columns(path: Path, lines: list[str], section: str, first: str) -> list[dict[str, str]]:
    """Rows of the table whose heading begins with `first`, in a section: columns are two blanks apart."""
    start = next((i for i, line in enumerate(lines) if line.strip("| ").strip() == section), None)
    if start is None:
        raise ReportError(f"{path}: no section {section}; truncated?")
    head = next((i for i in range(start, len(lines)) if lines[i].split()[:1] == [first]), None)
    if head is None:
        raise ReportError(f"{path}: no heading {first} below {section}; truncated?")
    names = _split(lines[head])
    rows = []
    for line in lines[head + 2 :]:  # a line of dashes in between
        if not line.strip():
            break
        cells = _split(line)
        if len(cells) != len(names):
            raise ReportError(f"{path}: {len(cells)} values below {len(names)} headings of {section}")
        rows.append(dict(zip(names, cells, strict=True)))
    return rows


def _split(line: str) -> list[str]:
    return re.split(r" {2,}", line.strip())


def _number(path: Path, what: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ReportError(f"{path}: {what} is {text!r}, not a number") from error
