# SPDX-License-Identifier: Apache-2.0
"""The estimate of a configuration's timing, and its tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

from peritus.arch.config import HwConfig
from peritus.eda.errors import TimingNotMet
from peritus.eda.sources import TOP
from peritus.eda.timing.analysis import Analysis
from peritus.eda.timing.clocks import Clocks, Domain, domains_of
from peritus.eda.timing.graph import Graph
from peritus.eda.timing.library import Library
from peritus.eda.timing.paths import FanOut, Reader, TimingPath
from peritus.eda.yosys import xcup
from peritus.eda.yosys.xcup_synth import flat_netlist

LIBRARY = "xcup_2"
SHOWN = 30
_SHOWN_KINDS = 3


@dataclass(frozen=True)
class TimingEstimate:
    """Of a whole accelerator, before placement.

    worst_ns: the shortest period of the fabric's clock, of which paths at the fast one have half. budget_ns:
    what it is to be. domains: see peritus.eda.timing.clocks; paths, fan_outs: see peritus.eda.timing.paths.
    """

    hw: str
    device: str
    worst_ns: float
    budget_ns: float | None
    domains: tuple[Domain, ...]
    paths: tuple[TimingPath, ...]
    fan_outs: tuple[FanOut, ...]

    @property
    def over(self) -> int:
        """Ends of paths that are longer than their part of the budget; 0 without one."""
        return sum(domain.over for domain in self.domains)

    def record(self) -> dict[str, Any]:
        """Plain data."""
        return {"estimate": True, **asdict(self)}


def estimate_timing(
    hw: HwConfig,
    *,
    budget_ns: float | None = None,
    shown: int = SHOWN,
    cache_dir: Path | None = None,
    timeout_s: float,
    progress: Callable[[str], None] = lambda step: None,
) -> TimingEstimate:
    """The whole accelerator of `hw` with slices DSP48E2, flat, by the delays of an XCZU7EV-2.

    Args:
        shown: how many paths and fan-outs.
        timeout_s: limit for Yosys.

    Raises:
        BuildError, ToolNotFound: as `flat_netlist`.
        NetlistError: the netlist has a combinational loop, or a cell without delays.
    """
    design = flat_netlist(hw, cache_dir=cache_dir, timeout_s=timeout_s, progress=progress)
    progress("timing")
    return timing_of(design, TOP, hw=hw.name, budget_ns=budget_ns, shown=shown)


def timing_of(
    design: Mapping[str, Any], top: str, *, hw: str = "", budget_ns: float | None = None, shown: int = SHOWN
) -> TimingEstimate:
    """The same of a netlist for UltraScale+: Yosys' write_json of a flat module `top`."""
    library = Library.load(LIBRARY)
    xcup.mark_registered_dsps(design, top)
    graph = Graph(design, top, library, xcup.CELLS)
    analyses = [Analysis(graph, clock) for clock in graph.clocks]
    domains = domains_of(analyses, budget_ns)
    reader = Reader(analyses)
    return TimingEstimate(
        hw,
        library.device,
        max((domain.period_ns for domain in domains), default=0.0),
        budget_ns,
        domains,
        reader.paths(shown),
        reader.fan_outs(shown),
    )


def check_budget(result: TimingEstimate) -> None:
    """TimingNotMet if a path is longer than its part of the budget."""
    if result.over and result.budget_ns:
        worst = result.paths[0]
        raise TimingNotMet(
            f"{result.hw}: by the estimate {result.over} registers and memories have a path that is too long "
            f"for a clock of {result.budget_ns:g} ns; the worst takes {worst.ns:.2f} ns "
            f"({_between(worst.clocks)}), from {worst.start} to {worst.end}"
        )


def timing_tables(result: TimingEstimate) -> Group:
    """Paths that need the longest period, largest fan-outs, and what they add up to, by clocks."""
    paths = Table(
        title=f"{result.hw} on an {result.device}: estimate before placement, not Vivado's numbers",
        title_justify="left",
        caption="alike: ends whose slowest path has these names but for numbers; loads: of the widest wire",
        caption_justify="left",
    )
    for heading in ("ns", "clocks", "wires", "cells", "alike", "loads"):
        paths.add_column(heading, justify="left" if heading == "clocks" else "right", no_wrap=True)
    for heading in ("from", "to"):
        paths.add_column(heading, overflow="fold")
    for path in result.paths:
        paths.add_row(
            f"{path.ns:.2f}",
            _between(path.clocks),
            f"{path.wire_ns:.2f}",
            str(path.levels),
            str(path.alike),
            str(path.widest.fan_out),
            _place(path.start, path.start_line),
            _place(f"{path.end} {path.pin}", path.end_line),
        )
    nets = Table(title="Largest fan-outs, those of logic first", title_justify="left")
    for heading in ("loads", "ns", "driver"):
        nets.add_column(heading, justify="right" if heading != "driver" else "left", no_wrap=True)
    for heading in ("net", "into"):
        nets.add_column(heading, overflow="fold")
    for net in result.fan_outs:
        into = ", ".join(f"{count} {kind}" for kind, count in list(net.into.items())[:_SHOWN_KINDS])
        nets.add_row(str(net.loads), f"{net.wire_ns:.2f}", net.driver, net.signal, into)
    domains = Table(title="Worst paths by clocks", title_justify="left")
    for heading in ("clocks", "worst ns", "allowed ns", "ends", "over"):
        domains.add_column(heading, justify="left" if heading == "clocks" else "right", no_wrap=True)
    for domain in result.domains:
        allowed = f"{domain.budget_ns:.3f}" if domain.budget_ns else ""
        counts = f"{domain.ends:,}", f"{domain.over:,}" if domain.budget_ns else ""
        domains.add_row(_between(domain.clocks), f"{domain.worst_ns:.2f}", allowed, *counts)
    found = (
        f"Shortest period {result.worst_ns:.2f} ns, {1e3 / result.worst_ns:.0f} MHz"
        if result.paths
        else "No path"
    )
    return Group(paths, "", nets, "", domains, "", f"{found}.")


def _between(clocks: Clocks) -> str:
    return " to ".join(dict.fromkeys(clocks))


def _place(name: str, line: str) -> str:
    return f"{name} ({line.rpartition('/')[2]})" if line else name
