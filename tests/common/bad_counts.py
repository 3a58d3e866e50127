# SPDX-License-Identifier: Apache-2.0
"""Instructions that neither the reference nor the sequencer may start; the ones just within."""

from collections.abc import Iterator
from dataclasses import replace

from peritus.arch.config import HwConfig
from peritus.arch.isa import COUNTS, Instruction, Opcode

SMALLEST = {
    opcode: Instruction(opcode, **dict.fromkeys(counts, 1), width=opcode is Opcode.LAYERNORM)
    for opcode, counts in COUNTS.items()
}


def bad_counts(hw: HwConfig) -> Iterator[Instruction]:
    """Every count at zero, every limit passed by one."""
    for opcode, counts in COUNTS.items():
        for name in counts:
            yield replace(SMALLEST[opcode], **{name: 0})
    gemm, layernorm = SMALLEST[Opcode.GEMM], SMALLEST[Opcode.LAYERNORM]
    yield replace(gemm, tokens=hw.acc_depth + 1)
    for expert in (hw.max_experts, 63):
        yield replace(gemm, expert_valid=1, expert=expert)
    for name in ("k_tiles", "n_tiles"):
        yield replace(gemm, expert_valid=1, **{name: 0})
    yield replace(layernorm, width=0)
    yield replace(layernorm, width=hw.pn + 1)
    yield replace(layernorm, n_tiles=hw.max_d_words + 1)


def limits(hw: HwConfig) -> Iterator[Instruction]:
    """The largest counts that are allowed."""
    yield replace(SMALLEST[Opcode.GEMM], tokens=hw.acc_depth)
    yield replace(SMALLEST[Opcode.GEMM], tokens=0, expert_valid=1, expert=hw.max_experts - 1)
    yield replace(SMALLEST[Opcode.LAYERNORM], n_tiles=hw.max_d_words, width=hw.max_d_words * hw.pn)
