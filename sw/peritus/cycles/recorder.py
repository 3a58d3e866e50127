# SPDX-License-Identifier: Apache-2.0
"""Collects the timeline of a frame from what the units say, each in its own order."""

from __future__ import annotations

from peritus.runtime.timeline import Cause, Timeline


class Recorder:
    """Units say until when which instruction had which cause; what is already accounted for stays as it is.

    So the array's own account comes first, and behind it those of the loader and the sequencer fill the gaps.
    """

    def __init__(self) -> None:
        self.now = 0  # first cycle not yet accounted for
        self._instruction, self._cause = -1, Cause.SEQUENCER  # of the last span
        self._instructions: list[int] = []
        self._causes: list[Cause] = []
        self._ends: list[int] = []

    def until(self, instruction: int, cause: Cause, cycle: float) -> None:
        """Cycles up to `cycle`, exclusive."""
        if cycle <= self.now:
            return
        self.now = end = int(cycle)
        if instruction == self._instruction and cause is self._cause:
            self._ends[-1] = end
            return
        self._instruction, self._cause = instruction, cause
        self._instructions.append(instruction)
        self._causes.append(cause)
        self._ends.append(end)

    def timeline(self) -> Timeline:
        """Of all that was said."""
        return Timeline(tuple(self._instructions), tuple(self._causes), tuple(self._ends))
