# SPDX-License-Identifier: Apache-2.0
"""The units that run alone: from the cycle of their start to that in which the sequencer sees the end."""

from __future__ import annotations

from peritus.arch.config import BURST_BEATS
from peritus.arch.isa import Instruction, Opcode
from peritus.arch.params import PARAM_BLOCK_WORDS
from peritus.cycles.contention import Contention
from peritus.cycles.errors import CycleError
from peritus.cycles.fetch import GUARD, NEVER, Fetch
from peritus.cycles.latencies import Latencies
from peritus.cycles.stream import WeightStream

WRITER_BURSTS = 16  # MaxBursts of rtl/memory/peritus_axi_writer.sv
BUFFERED = 2  # bursts in the buffer of sim/write_channel.hpp
PORT_BURSTS = 8  # rtl/memory/peritus_image_ports.sv
REORDER = 2  # cycles that it takes


def layernorm(
    start: int, instruction: Instruction, latencies: Latencies, stream: WeightStream
) -> tuple[int, int]:
    """Parameters, then a word per cycle: when the next instruction may begin, and when it is done."""
    words = instruction.n_tiles
    first_read = stream.pop(words * PARAM_BLOCK_WORDS, start + 1) + 2
    done = first_read + words + latencies.norm + instruction.tokens * words
    early = first_read + (instruction.tokens - instruction.keys) * words
    return (early if instruction.keys else done), done


def res_init(start: int, instruction: Instruction, stream: WeightStream) -> int:
    """A word per cycle."""
    return stream.pop(instruction.tokens * instruction.n_tiles, start + 1) + 1


def copy(start: int, instruction: Instruction) -> int:
    """A word per cycle."""
    return start + instruction.tokens * instruction.n_tiles + 3


def memory_unit(start: int, instruction: Instruction, stream: WeightStream) -> int:
    """LOAD_IMAGE or STORE: beats of external memory."""
    beats = instruction.keys * instruction.k_tiles * instruction.tokens * instruction.n_tiles
    if beats < 1:  # no compiler writes it, a record of a run may
        raise CycleError(f"{instruction.opcode.name} of no beat cannot be timed")
    unit = ImageLoad if instruction.opcode is Opcode.LOAD_IMAGE else Store
    return unit(stream.fetch, start, beats).run()


class ImageLoad(Contention):
    """LOAD_IMAGE of `beats` beats: bursts in turn over the ports, before those of weights."""

    def __init__(self, fetch: Fetch, start: int, beats: int) -> None:
        super().__init__(fetch, start, beats)
        self._built = start + 1.0  # beats of the bursts so far are counted
        self._passed, self._before = 0.0, 0.0  # the guard, by the last burst and by the one before it
        self._number = 0  # of the next burst
        self._lengths: list[int] = []
        self._arrived: list[float] = []  # last beats of its bursts
        self._left: list[float] = []  # when they have gone to the memory, in order

    def run(self) -> int:
        """Cycle in which the sequencer sees that it is done."""
        self._work()
        return int(self._left[-1]) + 2  # written

    def _channel(self) -> int:
        return (self._fetch.image_port + self._number) % self._ports

    def _next(self) -> float:
        room = 0.0
        if self._ports > 1 and (behind := self._number - PORT_BURSTS * self._ports) >= 0:
            room = self._left[behind] + 1 if behind < len(self._left) else NEVER
        built = self._counted(self._sizes[0]) + GUARD - 1
        return max(built, self._passed + GUARD, room, self._slot(self._channel()))

    def _ask(self, cycle: float, beats: int) -> float:
        port = self._channel()
        self._built = self._counted(beats)
        self._before, self._passed = self._passed, cycle
        self._number += 1
        self._lengths.append(beats)
        self._arrived.append(NEVER)
        return self._ddr.due(self._take(cycle, port), port)

    def _counted(self, beats: int) -> float:
        """The next burst's beats: the last one waits until the guard has taken the burst before."""
        return max(self._built + beats, self._before + GUARD)

    def _end(self, cycle: float, channel: int) -> None:
        number = (channel - self._fetch.image_port) % self._ports
        while self._arrived[number] != NEVER:
            number += self._ports
        self._arrived[number] = cycle
        while len(self._left) < len(self._arrived) and self._arrived[len(self._left)] != NEVER:
            number = len(self._left)
            gone = self._arrived[number]
            if self._ports > 1:  # put in order, a beat a cycle
                gone = max(gone + REORDER, self._left[-1] + self._lengths[number] if self._left else 0.0)
            self._left.append(gone)


class Store(Contention):
    """STORE of `beats` beats: burst after burst, one cycle between two; done with the last response."""

    def __init__(self, fetch: Fetch, start: int, beats: int) -> None:
        super().__init__(fetch, start, beats)
        self._begin = start + 2 + min(BURST_BEATS, beats) + GUARD - 1.0  # address; beats counted; guard
        self._number = 0  # of the next burst
        self._granted: list[float] = []
        self._responses: list[float] = []

    def run(self) -> int:
        """Cycle in which the sequencer sees that it is done."""
        self._work()
        return int(self._responses[-1]) + 2

    def _channel(self) -> int:
        return self._ports

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
        self._begin = first + beats / self._rates[self._channel()] - 1
        self._number += 1
        return first

    def _end(self, cycle: float, channel: int) -> None:
        self._granted.append(cycle)
        response = self._ddr.response(cycle)
        self._responses.append(max(response, self._responses[-1] + 1) if self._responses else response)
