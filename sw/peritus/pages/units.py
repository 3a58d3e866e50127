# SPDX-License-Identifier: Apache-2.0
"""Which unit of the machine a cycle is spent in, and the colour of its cause: for timelines and traces."""

from __future__ import annotations

from peritus.runtime.timeline import Cause

# Unit, and the causes that are its: what the array did, or whom it waited for.
UNITS: tuple[tuple[str, tuple[Cause, ...]], ...] = (
    ("array", (Cause.ARRAY, Cause.MINIMUM_PASS)),
    ("tile loader", (Cause.LOADER, Cause.PARAMETERS, Cause.KEYS_VALUES)),
    ("weight stream", (Cause.WEIGHTS, Cause.RESIDENT)),
    ("pipeline", (Cause.DRAIN,)),
    ("LayerNorm", (Cause.LAYERNORM,)),
    ("router", (Cause.ROUTER,)),
    ("image loader", (Cause.IMAGE,)),
    ("residual", (Cause.POSITIONS, Cause.COPY)),
    ("result writer", (Cause.RESULT,)),
    ("sequencer", (Cause.SEQUENCER, Cause.IDLE_EXPERT)),
)
UNIT_OF = {cause: unit for unit, causes in UNITS for cause in causes}

# One hue for a kind of reason: work, loading, memory, waiting for results, units that run alone, control.
COLOURS: dict[Cause, str] = {
    Cause.ARRAY: "#2f6db5",
    Cause.MINIMUM_PASS: "#9dbfe3",
    Cause.LOADER: "#e0a030",
    Cause.PARAMETERS: "#f0cd8a",
    Cause.KEYS_VALUES: "#b57a14",
    Cause.WEIGHTS: "#c8443c",
    Cause.RESIDENT: "#e59a94",
    Cause.DRAIN: "#8564ab",
    Cause.LAYERNORM: "#2f9a7d",
    Cause.ROUTER: "#b49ccf",
    Cause.IMAGE: "#64b39d",
    Cause.POSITIONS: "#a3d3c5",
    Cause.COPY: "#c9e6dd",
    Cause.RESULT: "#1f6f5b",
    Cause.SEQUENCER: "#7d8590",
    Cause.IDLE_EXPERT: "#b4bac2",
}
assert set(UNIT_OF) == set(COLOURS) == set(Cause)
