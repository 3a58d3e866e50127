# SPDX-License-Identifier: Apache-2.0
"""The tile loader (rtl/compute/peritus_tile_loader.sv): when each stationary tile may be taken."""

from __future__ import annotations

from peritus.arch.config import RESIDENT_LATENCY, HwConfig
from peritus.arch.isa import Instruction, StatSource
from peritus.arch.params import block_words
from peritus.cycles.latencies import Latencies
from peritus.cycles.recorder import Recorder
from peritus.cycles.stream import WeightStream
from peritus.runtime.timeline import Cause

KV_DRAIN = 3  # memory 2, one register


class Loader:
    """One tile at a time: prepare(), then taken() by the streamer.

    free: cycle from which on it accepts a GEMM. idle: from which on all it took is done.
    """

    def __init__(self, hw: HwConfig, latencies: Latencies, stream: WeightStream, recorder: Recorder) -> None:
        self._hw, self._stream, self._recorder = hw, stream, recorder
        self._latencies = latencies
        self.free = self.idle = 0
        self._next = 0  # cycle in which the next state begins
        self._full = 0  # the tile is complete
        self._swap = self._params = -1000  # a tile was taken; one with parameters
        self._accepted = 0
        self._ready = 0
        self._story: list[tuple[Cause, int]] = []  # of the tile: cause until cycle

    def accept(self, cycle: int, instruction: Instruction) -> int:
        """A GEMM is in the queue from `cycle` on; the cycle in which it is taken out."""
        cycle = max(cycle, self.free)
        self._instruction = instruction
        self._accepted = cycle
        self._next = cycle + 1
        self._keys = instruction.keys
        self._is_resident = instruction.stat_src is StatSource.RESIDENT
        self._is_weights = self._is_resident or instruction.stat_src is StatSource.WEIGHTS
        self._resident_from = cycle + RESIDENT_LATENCY
        self._is_keys = instruction.stat_src is StatSource.KEYS
        self._rows = 4 if instruction.int4 else 2  # of a weight word
        # Of instructions that are not weights too, as the RTL has it.
        free = self._latencies
        self._guard = free.columns_free if self._is_keys else free.rows_free[self._rows]
        return cycle

    def prepare(self, last_k: bool) -> int:
        """The cycle from which on the streamer may take the tile; last_k: parameters come before it."""
        cycle = self._next
        self._story = story = [(Cause.LOADER, cycle)]
        if last_k:
            cycle = self._parameters(cycle)
        guard = max(cycle, self._swap + self._latencies.entered + self._guard)
        if (self._is_keys or self._instruction.int4) and self._accepted + 1 == self._next:
            guard = max(guard, self._accepted + 1 + self._guard)
        story.append((Cause.LOADER, guard + 1))
        if self._is_weights:
            steady = guard >= self._resident_from if self._is_resident else self._stream.plenty(guard)
            last = self._pop(self._hw.pk // self._rows, guard + 1)
            self._full = last + 1
            for begin, end in self._stalls:
                story += ((Cause.LOADER, begin), (Cause.WEIGHTS, end))
            early = guard + 1 + self._latencies.take_at[self._rows]
            self._ready = min(self._full, early) if steady else self._full
            story.append((Cause.LOADER, self._ready))
        else:
            span = self._hw.pn if self._is_keys else self._hw.pk
            self._full = self._ready = guard + max(1, min(span, self._keys)) + KV_DRAIN + 1
            story.append((Cause.KEYS_VALUES, self._ready))
        return self._ready

    def _parameters(self, cycle: int) -> int:
        begin = max(cycle, self._params + self._latencies.params_free)
        words = block_words(self._instruction.scale2)
        self._story.append((Cause.PARAMETERS, begin))
        if not self._instruction.params:
            end = begin + words
        else:
            end = self._pop(words, begin) + 1
            for first, there in self._stalls:
                self._story += ((Cause.PARAMETERS, first), (Cause.WEIGHTS, there))
        self._story.append((Cause.PARAMETERS, end))
        return end

    def _pop(self, words: int, cycle: int) -> int:
        """Words of the stream, or of the resident memory; the cycle of the last."""
        if not self._is_resident:
            last = self._stream.pop(words, cycle)
            self._stalls = self._stream.stalls
            return last
        begin = max(cycle, self._resident_from)
        self._stalls = [(cycle, begin)] if begin > cycle else []
        return begin + words - 1

    def explain(self, index: int) -> None:
        """Why the streamer waited for this tile."""
        self._recorder.story(index, self._story)

    def taken(self, cycle: int, last_k: bool) -> None:
        """The streamer begins a pass with the tile in `cycle`."""
        self._swap = cycle
        if last_k:
            self._params = cycle
        if not self._is_weights:
            if self._is_keys:
                if last_k:
                    self._keys -= self._hw.pn
            else:
                self._keys = self._instruction.keys if last_k else self._keys - self._hw.pk
        self._next = max(self._full, cycle + 1) + 1

    def finish(self) -> None:
        """The last tile of the GEMM has been taken: what is left of the segment's last stripe goes."""
        done = self._next - 1  # it leaves READY
        if self._is_resident or not (self._is_weights or self._instruction.params):
            self.free = self.idle = done + 1
            return
        if padding := self._stream.padding():
            done = self._stream.pop(padding, done + 1)
        self._stream.end_segment()
        self.free, self.idle = done + 1, done + 2
