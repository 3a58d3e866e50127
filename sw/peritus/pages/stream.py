# SPDX-License-Identifier: Apache-2.0
"""The weight stream over a frame: what the ring holds, what the ports read."""

from __future__ import annotations

from typing import Any

import numpy as np

from peritus.arch.config import HwConfig
from peritus.pages.subject import Frame

BINS = 1000  # of the frame


def ring_fill(frame: Frame, hw: HwConfig) -> tuple[Any, Any]:
    """Cycle and words of the ring that hold weights, at BINS + 1 points of the frame."""
    assert frame.stream is not None
    cycles = np.linspace(0, frame.stream.cycles, BINS + 1)
    arrived = np.searchsorted(np.sort(np.array(frame.stream.arrived)), cycles, side="right")
    freed = np.searchsorted(np.sort(np.array(frame.stream.freed)), cycles, side="right")
    return cycles, (arrived - freed) * hw.stripe_words


def port_use(frame: Frame, hw: HwConfig) -> tuple[Any, list[Any]]:
    """Edges of parts of the frame, and of each port the bytes that it reads a cycle in each part.

    Of the RTL where it was recorded; else of weights, by the cycle model.
    """
    if frame.ports is not None:
        cycles = np.array(frame.ports.cycles, np.float64)
        spans = np.maximum(np.diff(cycles), 1)
        return cycles, [np.diff(np.array(port, np.float64)) / spans for port in frame.ports.read]
    assert frame.stream is not None
    edges = np.linspace(0, frame.stream.cycles, BINS + 1)
    width = edges[1] - edges[0]
    ends = np.array(frame.stream.arrived)
    rates = []
    for port in range(hw.axi_ports):
        counts, _ = np.histogram(ends[port :: hw.axi_ports], edges)
        rates.append(counts * hw.stripe_bytes / width)
    return edges, rates
