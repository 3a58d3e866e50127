# SPDX-License-Identifier: Apache-2.0
"""Models of the on-chip memories and of the weight stream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from peritus.arch.config import HwConfig
from peritus.arch.isa import FetchEntry
from peritus.arch.memories import Memory
from peritus.errors import PeritusError
from peritus.reference import Routing
from peritus.reference.arithmetic import I64, Ints

Bytes = npt.NDArray[np.uint8]


class ProgramError(PeritusError):
    """An instruction asks for something impossible; names the instruction, the value and the limit."""


class Words:
    """One memory: words of pn integers, read by slices of pk or by words."""

    def __init__(self, memory: Memory, hw: HwConfig) -> None:
        self.name, self.words, self._hw = f"{memory.value} memory", memory.words(hw), hw
        self.data = np.zeros((self.words, hw.pn), np.int32)

    def read(self, address: Ints) -> npt.NDArray[np.int32]:
        """Words at `address`, any shape [...] -> [..., pn]."""
        self._check(address, 1)
        return np.asarray(self.data[address])

    def read_slices(self, address: Ints) -> npt.NDArray[np.int32]:
        """Slices at `address` [...] -> [..., pk]."""
        self._check(address, self._hw.slices)
        return np.asarray(self.data.reshape(-1, self._hw.pk)[address])

    def write(self, address: Ints, values: Ints) -> None:
        """Words at `address` [n] from `values` [n, pn]."""
        self._check(address, 1)
        self.data[address] = values

    def _check(self, address: Ints, per_word: int) -> None:
        if address.size and (low := int(address.min())) < 0:
            raise ProgramError(f"{self.name} address {low} is negative")
        if address.size and (high := int(address.max())) >= self.words * per_word:
            unit = "slices" if per_word > 1 else "words"
            raise ProgramError(f"{self.name} address {high}, the memory has {self.words * per_word} {unit}")


class WeightStream:
    """The segments of a job in consumption order."""

    def __init__(self, weights: Bytes, entries: Sequence[FetchEntry], hw: HwConfig) -> None:
        self._weights, self._hw = weights, hw
        self._pending = entries  # of this job
        self._next = 0
        self.bytes_read = 0

    def take(self, size: int) -> Bytes:
        """The next segment's first `size` bytes; the rest must be less than a stripe of padding."""
        entry = self._pop()
        length = entry.stripes * self._hw.stripe_bytes
        if not size <= length < size + self._hw.stripe_bytes:
            raise ProgramError(
                f"the segment of the weight stream has {length} bytes, the instruction uses {size}"
            )
        start = entry.offset * self._hw.stripe_bytes
        if start + length > len(self._weights):
            raise ProgramError(
                f"the segment ends at byte {start + length} of {len(self._weights)} weight bytes"
            )
        self.bytes_read += length
        return self._weights[start : start + size]

    def drop(self, stripes: int) -> None:
        """Skip the next segment, that of an idle expert."""
        entry = self._pop()
        if entry.stripes != stripes or not entry.expert_valid:
            raise ProgramError(f"drops {stripes} stripes, the next segment has {entry.stripes}")

    def finish(self) -> None:
        """ProgramError if something is left."""
        if self._next < len(self._pending):
            raise ProgramError(
                f"{len(self._pending) - self._next} segments of the weight stream are left over"
            )

    def _pop(self) -> FetchEntry:
        if self._next >= len(self._pending):
            raise ProgramError("the weight stream has no segment left")
        self._next += 1
        return self._pending[self._next - 1]


class State:
    """Everything that lives from one instruction of a job to the next.

    row_maximum: running maximum of the last score rows [acc_depth]. routing: of the last gate.
    resident: weight words [resident_words, 2 pn], uint8, from job to job.
    """

    def __init__(self, hw: HwConfig) -> None:
        self.act = Words(Memory.ACT, hw)
        self.kv = Words(Memory.KV, hw)
        self.score = Words(Memory.SCORE, hw)
        self.residual = Words(Memory.RESIDUAL, hw)
        self.resident: Bytes = np.zeros((hw.resident_words, hw.weight_word_bytes), np.uint8)
        self.row_maximum: I64 = np.zeros(hw.acc_depth, np.int64)
        self.routing = Routing(np.zeros((0, 1), np.int64), np.zeros((0, 1), np.int64))
