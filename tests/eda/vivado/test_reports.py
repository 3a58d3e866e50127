# SPDX-License-Identifier: Apache-2.0
"""Vivado's reports become numbers; a truncated one is an error that says what is missing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from peritus.eda.errors import ReportError, TimingNotMet
from peritus.eda.vivado.project import REPORTS, Project
from peritus.eda.vivado.reports import Power, Utilization, check_timing, read_reports

Write = Callable[..., None]


def test_numbers(scratch: Project, write_reports: Write) -> None:
    write_reports(scratch)
    report = read_reports(scratch)
    assert report.utilization == {
        "lut": Utilization(120000, 230400),
        "ff": Utilization(140000, 460800),
        "bram36": Utilization(101.5, 312),
        "uram": Utilization(90, 96),
        "dsp": Utilization(1200, 1728),
    }
    timing = report.timing
    assert (timing.wns_ns, timing.whs_ns, timing.wpws_ns) == (0.123, 0.011, 0.5)
    assert timing.clocks_mhz == {"clk_pl_0": 300.0}
    assert report.power == Power(7.5, 6.75, 0.75, "Medium")
    assert check_timing(timing, scratch.clocks) == 300


@pytest.mark.parametrize("name", REPORTS)
def test_a_missing_report(scratch: Project, write_reports: Write, name: str) -> None:
    write_reports(scratch)
    scratch.report(name).unlink()
    with pytest.raises(ReportError, match=f"{name}: Vivado has written no such report"):
        read_reports(scratch)


@pytest.mark.parametrize(
    ("name", "last", "message"),
    [
        ("utilization.rpt", "CLB Registers", "no row CLB Registers, Block RAM Tile, URAM, DSPs; truncated"),
        ("utilization.rpt", "| DSPs           | 12", "no row DSPs"),
        ("timing_summary.rpt", "| Design Timing Summary", "no section Design Timing Summary"),
        ("timing_summary.rpt", "WNS(ns)", "no heading WNS"),
        ("timing_summary.rpt", "-------      -------", "no values below Design Timing Summary"),
        ("timing_summary.rpt", "        0.000        0.500", "4 values below 7 headings"),
        ("timing_summary.rpt", "| Clock Summary", "no section Clock Summary"),
        ("timing_summary.rpt", "clk_pl_0", "no clock below Clock Summary"),
        ("power.rpt", "| Device Static", "no row Device Static"),
        ("power.rpt", "| Confidence", "no row Confidence Level"),
    ],
)
def test_a_truncated_report(
    scratch: Project, write_reports: Write, name: str, last: str, message: str
) -> None:
    write_reports(scratch)
    path = scratch.report(name)
    text = path.read_text()
    path.write_text(text[: text.index(last)])
    with pytest.raises(ReportError, match=message):
        read_reports(scratch)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("utilization.rpt", "| 120000 |", "| n/a |", "CLB LUTs is 'n/a', not a number"),
        (
            "utilization.rpt",
            "| Used | Fixed | Prohibited | Available |",
            "| Used | Fixed | Left |",
            "columns",
        ),
        ("timing_summary.rpt", "      0.123 ", "      NA ", "WNS\\(ns\\) is 'NA', not a number"),
        ("power.rpt", "7.500", "Unspecified*", "Total On-Chip Power \\(W\\) is 'Unspecified\\*'"),
    ],
)
def test_a_malformed_report(
    scratch: Project, write_reports: Write, name: str, old: str, new: str, message: str
) -> None:
    write_reports(scratch)
    path = scratch.report(name)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ReportError, match=message):
        read_reports(scratch)


def test_timing_not_met(scratch: Project, write_reports: Write) -> None:
    write_reports(scratch, wns="-0.250")
    with pytest.raises(TimingNotMet, match=r"worst setup slack is -0\.25 ns at 300 MHz"):
        check_timing(read_reports(scratch).timing, scratch.clocks)


def test_a_slower_clock_than_asked_for(scratch: Project, write_reports: Write) -> None:
    write_reports(scratch, mhz="299.997")
    assert check_timing(read_reports(scratch).timing, scratch.clocks) == 300
    write_reports(scratch, mhz="214.266")
    assert check_timing(read_reports(scratch).timing, scratch.clocks) == 214.286
    write_reports(scratch, mhz="200.000")
    with pytest.raises(
        TimingNotMet, match=r"constrained to 200\.0 MHz, must be 300 or 250 or 214\.286 or 187\.5"
    ):
        check_timing(read_reports(scratch).timing, scratch.clocks)
