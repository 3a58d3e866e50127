# SPDX-License-Identifier: Apache-2.0
"""Points of which none is as good in everything and better in something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

COSTS = ("cycles", "dsp", "uram", "bram", "ddr_bytes")  # all are better if smaller


def front(records: Sequence[dict[str, Any]], costs: Sequence[str] = COSTS) -> list[dict[str, Any]]:
    """The Pareto front of each model, by cycles; failed points are none."""
    found = [record for record in records if "failed" not in record]

    def beaten(record: dict[str, Any]) -> bool:
        own = [record[cost] for cost in costs]
        for other in found:
            if other["model"] != record["model"] or other is record:
                continue
            theirs = [other[cost] for cost in costs]
            if theirs != own and all(a <= b for a, b in zip(theirs, own, strict=True)):
                return True
        return False

    return sorted((r for r in found if not beaten(r)), key=lambda r: (r["model"], r["cycles"]))
