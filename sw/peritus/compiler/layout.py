# SPDX-License-Identifier: Apache-2.0
"""Where the channels of a value lie in the words of a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from peritus.arch.config import HwConfig


@dataclass(frozen=True, eq=False)
class Layout:
    """positions: lane of each channel, counted from the start of the row, [channels]. words: words per row.

    Lanes that no channel has are padding and hold zero.
    """

    positions: npt.NDArray[np.int64]
    words: int

    @classmethod
    def dense(cls, channels: int, pn: int) -> Layout:
        """Channels side by side, padded at the end to whole words of pn."""
        return cls(np.arange(channels), -(-channels // pn))

    @classmethod
    def groups(cls, groups: int, width: int, padded: int, pn: int) -> Layout:
        """`groups` groups of `width` channels, each padded to `padded` lanes, all padded to whole words."""
        positions = (np.arange(groups)[:, None] * padded + np.arange(width)).reshape(-1)
        return cls(positions, -(-groups * padded // pn))

    @classmethod
    def queries(cls, heads: int, width: int, pk: int, pn: int) -> Layout:
        """Attention heads, each padded to whole slices of pk: what streams is addressed by slice."""
        return cls.groups(heads, width, -(-width // pk) * pk, pn)

    @classmethod
    def keys(cls, heads: int, width: int, pn: int) -> Layout:
        """Attention heads, each padded to whole words: a tile of keys begins at the first slice of a word."""
        return cls.groups(heads, width, -(-width // pn) * pn, pn)

    @classmethod
    def values(cls, heads: int, width: int, pn: int) -> Layout:
        """Attention heads side by side, but each in no more words than it would need by itself.

        Narrow heads share a word: who multiplies one of them gets lanes of the others, and drops them.
        """
        words = -(-width // pn)
        first, firsts = 0, []
        for _ in range(heads):
            if (first + width - 1) // pn - first // pn + 1 > words:
                first += -first % pn
            firsts.append(first)
            first += width
        return cls((np.array(firsts)[:, None] + np.arange(width)).reshape(-1), -(-first // pn))

    def head(self, index: int, heads: int) -> npt.NDArray[np.int64]:
        """Lanes of one of the heads."""
        return np.split(self.positions, heads)[index]

    def tiles(self, size: int) -> int:
        """Slices of `size` lanes that hold every channel."""
        return int(self.positions.max()) // size + 1


def padded_channels(channels: int, upscale: int, hw: HwConfig) -> int:
    """Channels of a task's map as stored: even, and a run of `upscale` pixels is whole AXI beats."""
    padded = channels + channels % 2
    while upscale * padded * 2 % hw.axi_data_bytes:
        padded += 2
    return padded
