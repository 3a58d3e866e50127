# SPDX-License-Identifier: Apache-2.0
"""Collects the timeline of a frame from what the units say, each in its own order."""

from __future__ import annotations

from collections.abc import Iterable

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
        self.story(instruction, ((cause, cycle),))

    def story(self, instruction: int, causes: Iterable[tuple[Cause, float]]) -> None:
        """Of one instruction: each cause up to its cycle, exclusive."""
        now, last, same = self.now, self._cause, instruction == self._instruction
        instructions, whys, ends = self._instructions, self._causes, self._ends
        for cause, cycle in causes:
            if cycle <= now:
                continue
            now = int(cycle)
            if same and cause is last:
                ends[-1] = now
                continue
            last, same = cause, True
            instructions.append(instruction)
            whys.append(cause)
            ends.append(now)
        if now > self.now:
            self.now, self._cause, self._instruction = now, last, instruction

    def timeline(self) -> Timeline:
        """Of all that was said."""
        return Timeline(tuple(self._instructions), tuple(self._causes), tuple(self._ends))
