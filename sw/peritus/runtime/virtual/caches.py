# SPDX-License-Identifier: Apache-2.0
"""A processor's caches in front of memory that a device shares without them, at their worst.

Real caches write a line back, or fetch it, whenever they like. Here a dirty line stays until the caches
evict it, at a random moment: perhaps too late for the device to read it, perhaps after the device has written
there, which is lost then. A clean line is fetched at the first chance and kept: what the device writes later
is not seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LINE = 64  # bytes, as in a Cortex-A53
SETS = 64  # lines whose numbers are equal modulo SETS are evicted together


class CachedMemory:
    """Some memory, as the processor sees it.

    array: uint8, what the processor reads and writes. At first it is garbage, and not what the memory holds:
    dirty lines of whoever had it before.

    A line counts as dirty while it is not what it was when last clean: a write of what was there is none.

    Args:
        memory: uint8, what the device reads and writes; whole lines. rng: which dirty lines are evicted.
    """

    def __init__(self, memory: NDArray[np.uint8], rng: np.random.Generator) -> None:
        self._memory = memory.view(np.uint64).reshape(-1, LINE // 8)
        self._rng = rng
        self._lines = rng.integers(0, 1 << 64, self._memory.shape, np.uint64)
        self._memory[:] = ~self._lines
        self._clean = self._memory.copy()  # the lines as they were when last clean
        self.array = self._lines.reshape(-1).view(np.uint8)

    def evict(self, number: int) -> None:
        """Write the dirty lines of set `number` back."""
        self._write_back(slice(number, None, SETS))

    def flush(self, start: int, size: int) -> None:
        """Write the dirty lines of bytes [start, start + size) back."""
        self._write_back(_lines(start, size))

    def invalidate(self, start: int, size: int) -> None:
        """Fetch the lines of bytes [start, start + size) anew.

        Dirty lines of all of this memory are dropped, as by PYNQ 4.0, unless they were evicted just before.
        """
        evicted = self._rng.integers(0, 2, len(self._lines), bool)
        self._write_back(evicted)
        dirty = self._dirty(slice(None))
        dirty[_lines(start, size)] = True
        self._lines[dirty] = self._clean[dirty] = self._memory[dirty]

    def _dirty(self, lines: slice | NDArray[np.bool_]) -> NDArray[np.bool_]:
        differs: NDArray[np.bool_] = (self._lines[lines] != self._clean[lines]).any(axis=1)
        return differs

    def _write_back(self, lines: slice | NDArray[np.bool_]) -> None:
        numbers = np.arange(len(self._lines))[lines][self._dirty(lines)]
        self._memory[numbers] = self._clean[numbers] = self._lines[numbers]


def _lines(start: int, size: int) -> slice:
    return slice(start // LINE, -(-(start + size) // LINE))
