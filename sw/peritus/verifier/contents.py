# SPDX-License-Identifier: Apache-2.0
"""What is known of a memory's words in the midst of a job: do they hold something, and since when.

A device begins with memories of anything. A word may be read once this job has written it; what an expert
wrote for the tokens of its queue, only by the same expert, row for row, for its queue may have been empty.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from peritus.arch.config import HwConfig
from peritus.arch.memories import Memory
from peritus.reference.arithmetic import I64
from peritus.verifier.errors import need

UNKNOWN, WHOLE, PARTIAL, FIRST_OWNER = 0, 1, 2, 3  # an owner from there on: rows of an expert's queue
LONG_AGO = -(1 << 40)  # cycles
RESIDUAL_UNITS = 15  # contributions of 16 bits that fit a residual word beside its own 16


class Contents:
    """One memory. state: UNKNOWN, WHOLE, PARTIAL or an owner, by word. written: when its last result was
    issued, at the earliest, or LONG_AGO where nothing needs to wait for it."""

    def __init__(self, memory: Memory, hw: HwConfig) -> None:
        self.name, self.words = f"{memory.value} memory", memory.words(hw)
        self.state: I64 = np.zeros(self.words, np.int64)
        self.row: I64 = np.zeros(self.words, np.int64)  # of an owner's queue
        self.lanes: NDArray[np.bool_] = np.zeros((0, hw.pn), np.bool_)  # of PARTIAL words
        self.written: I64 = np.full(self.words, LONG_AGO)
        self._pn = hw.pn
        self._pending = False

    def inside(self, what: str, last: int, where: str) -> None:
        """ProgramRefused unless the last word is one of the memory's."""
        message = f"{where}: {what} reaches word {last}, the {self.name} has {self.words}"
        need(last < self.words, "address", message)

    def settle(self) -> None:
        """Everything has waited for all results."""
        if self._pending:
            self.written.fill(LONG_AGO)
            self._pending = False

    def issue(self, address: I64, time: I64 | int) -> None:
        """Results for these words are issued at `time`."""
        self.written[address] = time
        self._pending = True

    def latest(self, address: I64) -> I64:
        """When these words were issued."""
        found: I64 = self.written[address]
        return found

    def fill(self, address: I64) -> None:
        """These words hold something from now on."""
        self.state[address] = WHOLE

    def fill_lanes(self, lanes: I64) -> None:
        """These lanes do, counted through the memory."""
        if not len(self.lanes):
            self.lanes = np.zeros((self.words, self._pn), np.bool_)
        words = np.unique(lanes // self._pn)
        fresh = words[self.state[words] != PARTIAL]
        self.lanes[fresh] = (self.state[fresh] == WHOLE)[:, None]
        self.lanes.reshape(-1)[lanes] = True
        self.state[words] = np.where(self.lanes[words].all(axis=1), WHOLE, PARTIAL)

    def own(self, address: I64, owner: int) -> None:
        """Rows [rows, words] that one expert may have written, as far as its queue goes."""
        rows = np.broadcast_to(np.arange(len(address))[:, None], address.shape)
        loose = self.state[address] != WHOLE  # what holds something keeps to hold something
        self.state[address[loose]], self.row[address[loose]] = owner, rows[loose]

    def missing(self, address: I64, owner: int = -1) -> int | None:
        """A word of [rows, words] that nothing has written, if there is one; owner: who reads, row by row."""
        state = self.state[address]
        known = (state == WHOLE) | (state == PARTIAL)
        if owner >= FIRST_OWNER:
            known |= (state == owner) & (self.row[address] == np.arange(len(address))[:, None])
        return None if known.all() else int(address[~known][0])

    def unknown_lanes(self, word: I64, first: I64, count: int) -> NDArray[np.bool_]:
        """Lanes that not every row has: of `count` lanes from `first` on in words [rows, n] -> [n, count].

        Words are taken as written (`missing`)."""
        if not len(self.lanes):
            return np.zeros((word.shape[1], count), np.bool_)
        known = self.lanes[word] | (self.state[word] != PARTIAL)[..., None]
        lane = np.broadcast_to(first[..., None] + np.arange(count), (*word.shape, count))
        found: NDArray[np.bool_] = ~np.take_along_axis(known, lane, axis=2).all(axis=0)
        return found


class Residual(Contents):
    """The residual memory: beside the rest, how many contributions a word has taken without saturating, and
    `loud`, bool [words, pn], the lanes that may be other than 0."""

    def __init__(self, hw: HwConfig) -> None:
        super().__init__(Memory.RESIDUAL, hw)
        self.loud: NDArray[np.bool_] = np.ones((self.words, hw.pn), np.bool_)
        self.units: I64 = np.zeros(self.words, np.int64)
        self._gate: I64 = np.zeros(self.words, np.int64)
        self._experts = np.zeros(self.words, np.uint64)

    def saturated(self, address: I64) -> None:
        """These words are 16-bit values again."""
        self.units[address] = 0

    def copied(self, target: I64, source: I64) -> None:
        """Words [rows, words] that hold now what others hold."""
        self.fill(target)
        for known in (self.loud, self.units, self._gate, self._experts):
            known[target] = known[source]

    def accumulate(self, address: I64, gate: int, expert: int, top_k: int, where: str) -> None:
        """One expert's results: of a gate a token has top_k at most, if every expert comes once."""
        bit = np.uint64(1 << expert)
        fresh = self._gate[address] != gate
        self.units[address] += np.where(fresh, top_k, 0)
        self._experts[address] = np.where(fresh, np.uint64(0), self._experts[address])
        again = bool((self._experts[address] & bit).any())
        need(not again, "residual", f"{where}: expert {expert} is added a second time to the same words")
        self._gate[address] = gate
        self._experts[address] |= bit
        most = int(self.units[address].max())
        message = f"{where}: {most} contributions unsaturated in a residual word, at most {RESIDUAL_UNITS}"
        need(most <= RESIDUAL_UNITS, "residual", message)
