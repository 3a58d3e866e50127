# SPDX-License-Identifier: Apache-2.0
"""The units that run alone between GEMMs: cycles from their start to the one in which the sequencer sees the end."""

from __future__ import annotations

from peritus.arch.config import BURST_BEATS, HwConfig
from peritus.arch.isa import Instruction
from peritus.arch.params import PARAM_BLOCK_WORDS
from peritus.cycles.ddr import Ddr
from peritus.cycles.latencies import Latencies
from peritus.cycles.stream import WeightStream

WRITER_BURSTS = 16  # MaxBursts of rtl/memory/peritus_axi_writer.sv
ADDRESS, GUARD = 2, 2  # cycles of a STORE before its first beats are counted, and after those of a burst


def layernorm(start: int, instruction: Instruction, latencies: Latencies, stream: WeightStream) -> int:
    """Parameters, then a word per cycle."""
    loaded = stream.pop(instruction.n_tiles * PARAM_BLOCK_WORDS, start + 1)
    first_write = loaded + 2 + instruction.n_tiles + latencies.norm
    return first_write + instruction.tokens * instruction.n_tiles


def res_init(start: int, instruction: Instruction, stream: WeightStream) -> int:
    """A word per cycle."""
    return stream.pop(instruction.tokens * instruction.n_tiles, start + 1) + 1


def beats(instruction: Instruction) -> int:
    """Beats of a LOAD_IMAGE or STORE."""
    return instruction.keys * instruction.k_tiles * instruction.tokens * instruction.n_tiles


def store(start: int, instruction: Instruction, hw: HwConfig, ddr: Ddr) -> int:
    """Bursts with one cycle between two; done with the last response."""
    bursts, parameters = -(-beats(instruction) // BURST_BEATS), ddr.parameters
    begin: float = start + ADDRESS + min(BURST_BEATS, beats(instruction)) + GUARD
    sent = granted = begin
    responses: list[float] = []
    left = beats(instruction)
    for burst in range(bursts):
        size = min(BURST_BEATS, left)
        left -= size
        address = begin + 1 + ddr.stall
        if burst >= parameters.outstanding:
            address = max(address, responses[burst - parameters.outstanding] + 1 + ddr.stall)
        if burst >= WRITER_BURSTS:
            begin = max(begin, responses[burst - WRITER_BURSTS] + 1)
        first = max(begin + 2, address + 1)
        sent = first + size / ddr.port_rate - 1
        granted = ddr.busy(max(granted, first - 1 - ddr.saved), ddr.burst * size / BURST_BEATS)
        response = ddr.response(max(sent, granted))
        responses.append(max(response, responses[-1] + 1) if responses else response)
        begin = max(sent, granted - 2 * ddr.burst)
    return int(responses[-1]) + 2
