# SPDX-License-Identifier: Apache-2.0
"""The sequencer (rtl/control/peritus_sequencer.sv): instructions in order, to the units that run them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from peritus.arch.config import HwConfig
from peritus.arch.isa import Dest, Instruction, Opcode, runs
from peritus.cycles import units
from peritus.cycles.errors import CycleError
from peritus.cycles.fetch import Fetch
from peritus.cycles.latencies import Latencies
from peritus.cycles.loader import Loader
from peritus.cycles.recorder import Recorder
from peritus.cycles.stream import WeightStream
from peritus.cycles.streamer import Streamer
from peritus.runtime.timeline import Cause

DECODED = 3  # READ, WAIT, DECODE
ROUTED = 2  # cycles from the end of a wait to the prefetcher's knowing the queues
LOAD_QUEUE, STREAM_QUEUE = 2, 4  # GEMMs, rtl/peritus_core.sv
UNIT_CAUSES = {
    Opcode.LOAD_IMAGE: Cause.IMAGE,
    Opcode.RES_INIT: Cause.POSITIONS,
    Opcode.LAYERNORM: Cause.LAYERNORM,
    Opcode.STORE: Cause.RESULT,
    Opcode.KEEP: Cause.RESIDENT,
    Opcode.COPY: Cause.COPY,
}


def appends(instruction: Instruction) -> bool:
    """Is it a gate whose tokens come behind those of the gate before?"""
    return instruction.dst is Dest.ROUTER and instruction.dst_base != 0


class Sequencer:
    """Runs one job. routing: tokens of each expert, one row for each gate that the job executes, in order."""

    def __init__(self, hw: HwConfig, fetch: Fetch, routing: Sequence[Sequence[int]]) -> None:
        self._routing = deque(routing)
        self._counts: Sequence[int] = ()
        self.recorder = Recorder()
        self._latencies = Latencies.of(hw)
        self._stream = WeightStream(hw, fetch)
        self._loader = Loader(hw, self._latencies, self._stream, self.recorder)
        self._streamer = Streamer(self._latencies, self._loader, self.recorder)
        self._routed = 0  # cycle from which on the queues are complete
        self._router_pending = False
        self._gates = 0  # that have emptied the queues
        self._normalized = 0  # from which cycle on LayerNorm is done
        self._stored = 0  # and the last result is written
        self._loads = deque([-1] * LOAD_QUEUE)  # when GEMMs left the queues
        self._streams = deque([-1] * STREAM_QUEUE)
        self._index = 0

    def run(self, instructions: Sequence[Instruction], task: int, features: bool, cold: bool) -> None:
        """Every instruction up to END."""
        cycle = 0  # READ
        for self._index, instruction in enumerate(instructions):
            if not runs(instruction, task, cold=cold) or (instruction.features_only and not features):
                cycle += DECODED
                self._say(Cause.SEQUENCER, cycle)
                continue
            cycle += DECODED
            self._say(Cause.SEQUENCER, cycle)
            if instruction.opcode not in (Opcode.LOAD_IMAGE, Opcode.END):
                cycle = max(cycle, self._stored)
            if self._waits(instruction):
                cycle = self._wait(cycle, instruction)
            if instruction.opcode is Opcode.END:
                self._say(Cause.SEQUENCER, max(cycle + 2, self._stored))
                return
            if instruction.opcode is Opcode.GEMM:
                cycle = self._gemm(cycle + 1, instruction)
            else:
                cycle = self._unit(cycle + 1, instruction)
        raise CycleError(f"the program of {len(instructions)} instructions has no END")

    def _say(self, cause: Cause, until: float) -> None:
        self.recorder.until(self._index, cause, until)

    def _waits(self, instruction: Instruction) -> bool:
        if instruction.opcode is not Opcode.GEMM or instruction.sync:
            return True
        return bool(instruction.expert_valid) and self._router_pending

    def _wait(self, cycle: int, instruction: Instruction) -> int:
        """For all before; the last cycle in DRAIN."""
        self._say(Cause.DRAIN, self._streamer.written)
        self._say(Cause.ROUTER, self._routed)
        self._say(Cause.LOADER, self._loader.idle)
        self._say(Cause.LAYERNORM, self._normalized)
        cycle = max(cycle, self._streamer.written, self._routed, self._loader.idle, self._normalized)
        if self._router_pending and not appends(instruction):
            self._router_pending = False
            self._stream.fetch.routed(cycle + ROUTED, self._gates, self._counts)
        self._say(Cause.SEQUENCER, cycle + 1)
        return cycle

    def _gemm(self, cycle: int, instruction: Instruction) -> int:
        """Dispatch in `cycle` at the earliest; READ of the next instruction."""
        self._say(Cause.SEQUENCER, cycle)
        rows = instruction.tokens
        if instruction.expert_valid:
            rows = self._queued(instruction.expert)
        if rows == 0:
            cycle = self._stream.drop(max(cycle, self._loader.idle))
            self._say(Cause.IDLE_EXPERT, cycle + 1)
            return cycle + 1
        push = max(cycle, self._loads.popleft() + 1, self._streams.popleft() + 1)
        accepted = self._streamer.accept(push + 1, self._index, instruction)
        self._loads.append(self._loader.accept(push + 1, instruction))
        self._streams.append(accepted)
        self._streamer.run(accepted, self._index, instruction, rows)
        self._loader.finish()
        if instruction.dst is Dest.ROUTER:
            self._router_pending = True
            self._gates += not appends(instruction)
            self._routed = self._streamer.last + self._latencies.routed
            self._counts = self._routing.popleft() if self._routing else ()
        return push + 1

    def _queued(self, expert: int) -> int:
        if expert >= len(self._counts):
            raise CycleError(
                f"no count for expert {expert}: routing needs a row for every gate, of all experts"
            )
        return self._counts[expert]

    def _unit(self, cycle: int, instruction: Instruction) -> int:
        """Start in `cycle`; READ of the next instruction."""
        cause = UNIT_CAUSES[instruction.opcode]
        match instruction.opcode:
            case Opcode.STORE:  # the sequencer goes on
                self._stored = units.memory_unit(cycle, instruction, self._stream) + 1
                self._say(cause, self._stored)
                return cycle + 1
            case Opcode.LOAD_IMAGE:
                end = units.memory_unit(cycle, instruction, self._stream)
            case Opcode.LAYERNORM:
                end, self._normalized = units.layernorm(cycle, instruction, self._latencies, self._stream)
            case Opcode.COPY:
                end = units.copy(cycle, instruction)
            case _:
                end = units.res_init(cycle, instruction, self._stream)
        if instruction.opcode in (Opcode.LAYERNORM, Opcode.RES_INIT, Opcode.KEEP):
            for begin, there in self._stream.stalls:
                self._say(cause, begin)
                self._say(Cause.WEIGHTS, there)
            self._say(cause, end + 1)
            end = self._pad(end + 1)
        self._say(cause, end + 1)
        return end + 1

    def _pad(self, cycle: int) -> int:
        """The rest of a segment's last stripe; the cycle in which PAD ends."""
        if padding := self._stream.padding():
            cycle = self._stream.pop(padding, cycle) + 1
        self._stream.end_segment()
        return cycle
