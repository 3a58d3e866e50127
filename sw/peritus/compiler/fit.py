# SPDX-License-Identifier: Apache-2.0
"""Does a graph fit a hardware configuration? All that is too small for it, not only the first."""

from __future__ import annotations

from dataclasses import replace

from peritus.arch.config import ConfigError, HwConfig
from peritus.compiler.emit import emit
from peritus.compiler.errors import CapacityError, CompileError
from peritus.compiler.hazards import hazard_flags
from peritus.compiler.lower import lower
from peritus.compiler.memory_plan import plan_memory
from peritus.ir.graph import Graph

ROUNDS = 256  # a memory may be found too small several times, by a buffer each
ADVICE = (
    "take a larger configuration, or one of your own with these values (docs/configurations.md); "
    "a smaller image or fewer layers need less"
)


def shortages(graph: Graph, hw: HwConfig) -> list[str]:
    """One line for each limit that the graph exceeds, with what it needs and what to do; empty if it fits."""
    found: dict[str, str] = {}
    given = hw
    for _ in range(ROUNDS):
        try:
            steps = lower(graph, hw)
            emit(steps, plan_memory(steps, hw), hazard_flags(steps, hw), hw)
        except CapacityError as error:
            field = error.field
            if field is None:
                return [*found.values(), str(error)]
            found[field] = f"{field}: {error.need} needed, {getattr(given, field)} there are"
            try:
                hw = replace(hw, **{field: error.need})  # type: ignore[arg-type]
            except ConfigError as limit:  # no hardware can have so much
                return [*found.values(), str(limit)]
        except CompileError as error:  # of no memory: an instruction cannot say so much
            return [*found.values(), str(error), ADVICE]
        else:
            break
    return [*found.values(), ADVICE] if found else []
