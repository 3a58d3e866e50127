# SPDX-License-Identifier: Apache-2.0
"""Recorded writes into on-chip memories, as sim/write_trace.hpp keeps them, for the mismatch locator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_HEADER = 5  # 32-bit words of a record before its data


@dataclass(frozen=True, eq=False)
class WriteRecords:
    """Writes into one on-chip memory, in order.

    Attributes:
        cycle: int64 [n], 0 where there is no clock. address: int64 [n], in words of the memory.
        enable: uint64 [n], one bit per independently written part of the word.
        data: uint8 [n, bytes], little endian, padded to whole 32-bit words.
    """

    cycle: NDArray[np.int64]
    address: NDArray[np.int64]
    enable: NDArray[np.uint64]
    data: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.cycle)

    @classmethod
    def parse(cls, raw: NDArray[np.uint32], words: int) -> WriteRecords:
        """Records of `words` 32-bit words each, one after the other: uint32 [n * words]; 0 words: none."""
        records = raw.reshape(-1, max(words, _HEADER)).copy()
        data = np.ascontiguousarray(records[:, _HEADER:])
        wide = records.astype(np.uint64)
        return cls(
            cycle=(wide[:, 0] | wide[:, 1] << np.uint64(32)).astype(np.int64),
            address=records[:, 2].astype(np.int64),
            enable=wide[:, 3] | wide[:, 4] << np.uint64(32),
            data=data.view(np.uint8).reshape(len(records), 4 * data.shape[1]),
        )
