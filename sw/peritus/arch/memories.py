# SPDX-License-Identifier: Apache-2.0
"""The on-chip memories that instructions write: the one description of each.

Compiler, instruction set simulator, mismatch locator, benches, the RTL's package, the write monitors of the
simulation and docs/generated/memories.md take them from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from peritus.arch.config import RESIDUAL_BITS, HwConfig


@dataclass(frozen=True)
class _Spec:
    """lane_bits: of each of a word's pn lanes. size: field of HwConfig with the number of words, if it is a
    memory of its own. by_slice: read by slices of pk lanes, not by words. holds: for people."""

    lane_bits: int
    size: str | None
    by_slice: bool
    holds: str


class Memory(Enum):
    """What an instruction can write; the order is that of the write monitors (sim/trace_bind.sv)."""

    ACT = "act"
    KV = "kv"
    SCORE = "score"
    RESIDUAL = "residual"
    ROUTER = "router"

    @property
    def monitor(self) -> int:
        """Number of its write monitor in the simulation."""
        return list(Memory).index(self)

    @property
    def lane_bits(self) -> int:
        """Bits of a lane; all are signed."""
        return _SPECS[self].lane_bits

    @property
    def size(self) -> str | None:
        """Field of HwConfig with its words, also its name in a bundle; None: has no words to be addressed."""
        return _SPECS[self].size

    @property
    def by_slice(self) -> bool:
        """Is it read by slices of pk lanes?"""
        return _SPECS[self].by_slice

    @property
    def holds(self) -> str:
        """What lies in it."""
        return _SPECS[self].holds

    def words(self, hw: HwConfig) -> int:
        """Words of pn lanes; KeyError for what has none."""
        if self.size is None:
            raise KeyError(f"the {self.value} has no words")
        return int(getattr(hw, self.size))


_SPECS = {
    Memory.ACT: _Spec(
        8, "act_words", True, "activations: patches, LayerNorm's results, queries, hidden layers"
    ),
    Memory.KV: _Spec(8, "kv_words", True, "keys and values, stationary operands of attention"),
    Memory.SCORE: _Spec(16, "score_words", True, "attention scores, 1/16 octaves"),
    Memory.RESIDUAL: _Spec(
        RESIDUAL_BITS, "residual_words", False, "the residual stream; logits of the heads"
    ),
    Memory.ROUTER: _Spec(16, None, False, "logits on their way into the router, row by row; not a memory"),
}
ADDRESSED = tuple(memory for memory in Memory if memory.size is not None)
