# SPDX-License-Identifier: Apache-2.0
"""Collects the timeline of a frame from what the units say, each in its own order."""

from __future__ import annotations

from peritus.runtime.timeline import Cause, Span, Timeline


class Recorder:
    """Units say until when which instruction had which cause; what is already accounted for stays as it is.

    So the array's own account comes first, and behind it those of the loader and the sequencer fill the gaps.
    """

    def __init__(self) -> None:
        self.now = 0  # first cycle not yet accounted for
        self._changes: list[tuple[int, Cause, int]] = []

    def until(self, instruction: int, cause: Cause, cycle: float) -> None:
        """Cycles up to `cycle`, exclusive."""
        if cycle <= self.now:
            return
        if self._changes:
            last = self._changes[-1]
            if last[0] == instruction and last[1] is cause:
                self._changes.pop()
        self.now = int(cycle)
        self._changes.append((instruction, cause, self.now))

    def timeline(self) -> Timeline:
        """Of all that was said."""
        spans, start = [], 0
        for instruction, cause, end in self._changes:
            spans.append(Span(instruction, cause, start, end))
            start = end
        return Timeline(tuple(spans))
