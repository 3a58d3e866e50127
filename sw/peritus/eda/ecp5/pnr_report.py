# SPDX-License-Identifier: Apache-2.0
"""What nextpnr reports of a placed and routed design: utilization, clocks, the slowest path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

# nextpnr's names of what people count.
SITES = {
    "TRELLIS_COMB": "LUT4",
    "TRELLIS_FF": "FF",
    "DP16KD": "block RAM",
    "MULT18X18D": "multiplier",
    "EHXPLLL": "PLL",
    "TRELLIS_IO": "pin",
}


@dataclass(frozen=True)
class Clock:
    """A clock: what the design reaches and what is asked for in MHz; the cells on its slowest path."""

    name: str
    reached_mhz: float
    wanted_mhz: float
    slowest: tuple[str, ...]

    @property
    def met(self) -> bool:
        return self.reached_mhz >= self.wanted_mhz


@dataclass(frozen=True)
class PnrReport:
    """utilization: used and available sites by name."""

    utilization: Mapping[str, tuple[int, int]]
    clocks: tuple[Clock, ...]

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "utilization": {
                name: {"used": used, "available": available}
                for name, (used, available) in self.utilization.items()
            },
            "clocks": [{**asdict(clock), "met": clock.met} for clock in self.clocks],
        }


def read_report(report: Mapping[str, Any]) -> PnrReport:
    """From nextpnr's --report; KeyError if it is not one."""
    sites = report["utilization"]
    paths = {
        path["from"].removeprefix("posedge ").removeprefix("negedge "): path
        for path in report["critical_paths"]
        if path["from"] == path["to"]
    }
    return PnrReport(
        {text: (sites[name]["used"], sites[name]["available"]) for name, text in SITES.items()},
        tuple(
            Clock(name, found["achieved"], found["constraint"], _cells(paths.get(name)))
            for name, found in report["fmax"].items()
        ),
    )


def _cells(path: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Cells that a path runs through, with the delay up to each."""
    cells, total = [], 0.0
    for step in path["path"] if path else ():
        total += step["delay"]
        if step["type"] != "routing":
            cells.append(f"{total:.2f} ns {step['to']['cell']}")
    return tuple(cells)
