# SPDX-License-Identifier: Apache-2.0
"""What a program writes into the on-chip memories, in the hardware's order, for the mismatch locator."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from peritus.arch.memories import Memory
from peritus.reference.arithmetic import I64


@dataclass(frozen=True, eq=False)
class WriteRecord:
    """The writes of one instruction, in order; n of them.

    address: [n], words. data: [n, pn], the written lanes as integers (residual: 20-bit values, not
    saturated). first_lane, lanes: [n], the part of the word that is written and defined. row: [n], position
    in the pass (token of the instruction). word: [n], output word of that row (nb).
    """

    instruction: int
    memory: Memory
    address: I64
    data: npt.NDArray[np.int32]
    first_lane: I64
    lanes: I64
    row: I64
    word: I64

    def __len__(self) -> int:
        return len(self.address)


@dataclass
class Trace:
    """Records of one job, in program order."""

    records: list[WriteRecord] = field(default_factory=list)

    def of(self, memory: Memory) -> list[WriteRecord]:
        """The records of one memory."""
        return [record for record in self.records if record.memory is memory]
