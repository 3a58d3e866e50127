# SPDX-License-Identifier: Apache-2.0
"""The streamer (rtl/compute/peritus_streamer.sv): passes of a GEMM, one after the other."""

from __future__ import annotations

from peritus.arch.config import MIN_PASS
from peritus.arch.isa import Instruction
from peritus.cycles.latencies import Latencies
from peritus.cycles.loader import Loader
from peritus.cycles.recorder import Recorder
from peritus.runtime.timeline import Cause


class Streamer:
    """last: cycle of the last row issued. written: from which on all results are written."""

    def __init__(self, latencies: Latencies, loader: Loader, recorder: Recorder) -> None:
        self._latencies, self._loader, self._recorder = latencies, loader, recorder
        self.last = self.written = -1000
        self._took = -1000

    def accept(self, cycle: int, index: int, instruction: Instruction) -> int:
        """A GEMM is in the queue from `cycle` on; the cycle in which it is taken out."""
        taken = max(cycle, self.written if instruction.wait_stream else self.last)
        self._recorder.until(index, Cause.SEQUENCER, cycle)
        self._recorder.until(index, Cause.DRAIN, min(taken + 1, self.written))
        self._recorder.until(index, Cause.SEQUENCER, taken + 1)
        return taken

    def run(self, accepted: int, index: int, instruction: Instruction, rows: int) -> None:
        """All passes of a GEMM of `rows` rows that was taken out of the queue in cycle `accepted`."""
        loader, recorder = self._loader, self._recorder
        free, took = accepted + 1, self._took
        passes = [False] * (instruction.k_tiles - 1) + [True]
        for _ in range(instruction.n_tiles):
            for last_k in passes:
                ready = loader.prepare(last_k)
                took = max(ready, free, took + MIN_PASS)
                if took > free:
                    loader.explain(index)
                    recorder.until(index, Cause.MINIMUM_PASS, took)
                loader.taken(took, last_k)
                free = took + rows
                recorder.until(index, Cause.ARRAY, free)
        self._took, self.last = took, free - 1
        self.written = self.last + self._latencies.written
