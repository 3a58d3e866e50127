# SPDX-License-Identifier: Apache-2.0
"""Instructions before their addresses are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from peritus.arch.isa import Instruction
from peritus.arch.memories import Memory


@dataclass(frozen=True, eq=False)
class Buffer:
    """A contiguous part of one memory, alive from its first write to its last read."""

    name: str
    memory: Memory
    words: int


@dataclass(frozen=True)
class Region:
    """Rows of a buffer: row t begins at word offset + t * stride and `width` words of it are used."""

    buffer: Buffer
    offset: int
    stride: int
    width: int

    @classmethod
    def whole(cls, name: str, memory: Memory, rows: int, words: int) -> Region:
        """A new buffer of `rows` rows of `words` words."""
        return cls(Buffer(name, memory, rows * words), 0, words, words)

    def rows_from(self, row: int) -> Region:
        """The same rows, starting at `row`."""
        return Region(self.buffer, self.offset + row * self.stride, self.stride, self.width)

    def columns(self, word: int, width: int) -> Region:
        """Part of every row: `width` words from `word` on."""
        return Region(self.buffer, self.offset + word, self.stride, width)


@dataclass(frozen=True, eq=False)
class Step:
    """One instruction with symbolic operands.

    instruction: everything but addresses, strides, flags and segment length. source: streamed (or read) rows.
    keys: stationary keys or values. destination: written rows. segment: its part of the weight stream, uint8,
    not yet padded to stripes. source_slice: of streamed rows, the first slice, counted from their first word.
    """

    label: str
    instruction: Instruction
    source: Region | None = None
    keys: Region | None = None
    destination: Region | None = None
    segment: npt.NDArray[np.uint8] | None = None
    source_slice: int = 0

    @property
    def regions(self) -> list[Region]:
        """All operands."""
        return [region for region in (self.source, self.keys, self.destination) if region is not None]
