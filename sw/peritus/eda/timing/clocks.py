# SPDX-License-Identifier: Apache-2.0
"""How much of a period a path has, by the clocks at its ends, and what paths between two clocks add up to.

The fast clock (peritus.arch.ip.FAST_CLOCK) has twice the frequency and all edges of the other: from either to
the other the next edge may be half a period of the fabric's clock away, as between two of the fast one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from peritus.arch.ip import FAST_CLOCK
from peritus.eda.timing.analysis import Analysis

Clocks = tuple[str, str]  # ports of the top: of the register where a path starts, of the one where it ends


def share_of(clocks: Clocks) -> float:
    """The part of the fabric clock's period that a path has."""
    return 0.5 if FAST_CLOCK in clocks else 1.0


@dataclass(frozen=True)
class Domain:
    """All paths from registers of one clock to those of another, or of the same.

    worst_ns: the longest. budget_ns: what they have; None without a budget. ends: registers and memories;
    over: those with a path that is too long.
    """

    clocks: Clocks
    worst_ns: float
    budget_ns: float | None
    ends: int
    over: int

    @property
    def period_ns(self) -> float:
        """What the period of the fabric's clock must be at least."""
        return self.worst_ns / share_of(self.clocks)


def domains_of(analyses: Sequence[Analysis], budget_ns: float | None) -> tuple[Domain, ...]:
    """By their clocks, the one that needs the longest period first."""
    slowest: dict[Clocks, list[float]] = {}
    for analysis in analyses:
        for end in analysis.ends.values():
            slowest.setdefault(analysis.clocks_of(end), []).append(end.ns)
    found = []
    for clocks, times in slowest.items():
        budget = budget_ns * share_of(clocks) if budget_ns else None
        over = sum(ns > budget for ns in times) if budget else 0
        found.append(Domain(clocks, max(times), budget, len(times), over))
    return tuple(sorted(found, key=lambda domain: (-domain.period_ns, domain.clocks)))
