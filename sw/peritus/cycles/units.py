# SPDX-License-Identifier: Apache-2.0
"""The units that run alone: from the cycle of their start to that in which the sequencer sees the end."""

from __future__ import annotations

from peritus.arch.isa import Instruction, Opcode
from peritus.arch.params import PARAM_BLOCK_WORDS
from peritus.cycles.contention import ImageLoad, Store
from peritus.cycles.latencies import Latencies
from peritus.cycles.stream import WeightStream


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
