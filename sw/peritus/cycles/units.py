# SPDX-License-Identifier: Apache-2.0
"""The units that run alone: from the cycle of their start to that in which the sequencer sees the end."""

from __future__ import annotations

from peritus.arch.config import BURST_BEATS
from peritus.arch.isa import Instruction, Opcode
from peritus.arch.params import PARAM_BLOCK_WORDS
from peritus.cycles.contention import NEVER, Contention
from peritus.cycles.fetch import GUARD, Fetch
from peritus.cycles.latencies import Latencies
from peritus.cycles.stream import WeightStream

WRITER_BURSTS = 16  # MaxBursts of rtl/memory/peritus_axi_writer.sv
BUFFERED = 2  # bursts in the buffer of sim/write_channel.hpp


def layernorm(start: int, instruction: Instruction, latencies: Latencies, stream: WeightStream) -> int:
    """Parameters, then a word per cycle."""
    loaded = stream.pop(instruction.n_tiles * PARAM_BLOCK_WORDS, start + 1)
    first_write = loaded + 2 + instruction.n_tiles + latencies.norm
    return first_write + instruction.tokens * instruction.n_tiles


def res_init(start: int, instruction: Instruction, stream: WeightStream) -> int:
    """A word per cycle."""
    return stream.pop(instruction.tokens * instruction.n_tiles, start + 1) + 1


def memory_unit(start: int, instruction: Instruction, stream: WeightStream) -> int:
    """LOAD_IMAGE or STORE: beats of external memory."""
    beats = instruction.keys * instruction.k_tiles * instruction.tokens * instruction.n_tiles
    unit = ImageLoad if instruction.opcode is Opcode.LOAD_IMAGE else Store
    return unit(stream.fetch, start, beats).run()


class ImageLoad(Contention):
    """LOAD_IMAGE of `beats` beats: its bursts and those of weights take turns at port 0."""

    def __init__(self, fetch: Fetch, start: int, beats: int) -> None:
        super().__init__(fetch, start, beats, channel=0)
        self._built = start + 1  # beats of the bursts so far are counted
        self._passed = 0.0
        self._after_weights = True

    def run(self) -> int:
        """Cycle in which the sequencer sees that it is done."""
        self._work()
        return int(self._last) + 2  # written

    def _next(self) -> float:
        return max(self._built + self._sizes[0] + GUARD - 1, self._passed + GUARD, self._slot())

    def _ask(self, cycle: float, beats: int) -> float:
        self._built += beats
        self._passed = cycle
        self._after_weights = False
        return self._ddr.due(self._take(cycle), 0)

    def _ask_weight(self, passed: float) -> None:
        self._after_weights = self._after_weights or len(self._fetch.address) % self._ports == 0
        super()._ask_weight(passed)

    def _end(self, cycle: float) -> None:
        self._last = cycle

    def _before_weights(self) -> bool:
        return self._after_weights or len(self._fetch.address) % self._ports != 0


class Store(Contention):
    """STORE of `beats` beats: burst after burst, one cycle between two; done with the last response."""

    def __init__(self, fetch: Fetch, start: int, beats: int) -> None:
        super().__init__(fetch, start, beats, channel=fetch.ports)
        self._begin = start + 2 + min(BURST_BEATS, beats) + GUARD - 1.0  # address; beats counted; guard
        self._number = 0  # of the next burst
        self._granted: list[float] = []
        self._responses: list[float] = []

    def run(self) -> int:
        """Cycle in which the sequencer sees that it is done."""
        self._work()
        return int(self._responses[-1]) + 2

    def _next(self) -> float:
        return max(
            self._begin,
            self._behind(self._responses, WRITER_BURSTS) + 1,
            self._behind(self._granted, BUFFERED + 1) + 1,
            self._behind(self._responses, self._ddr.parameters.outstanding) - 1,  # the address may wait
        )

    def _behind(self, times: list[float], bursts: int) -> float:
        behind = self._number - bursts
        if behind < 0:
            return 0.0
        return times[behind] if behind < len(times) else NEVER

    def _ask(self, cycle: float, beats: int) -> float:
        address = cycle + 1
        outstanding = self._behind(self._responses, self._ddr.parameters.outstanding)
        if outstanding:
            address = max(address, outstanding + 1)
        first = address + self._ddr.stall + 1
        self._begin = first + beats / self._ddr.port_rate - 1
        self._number += 1
        return first

    def _end(self, cycle: float) -> None:
        self._granted.append(cycle)
        response = self._ddr.response(cycle)
        self._responses.append(max(response, self._responses[-1] + 1) if self._responses else response)
