# SPDX-License-Identifier: Apache-2.0
"""Which counts an instruction may have: what rtl/control/peritus_sequencer.sv refuses as CoreError.COUNT."""

from __future__ import annotations

from peritus.arch.config import HwConfig
from peritus.arch.isa import COUNTS, EXEC_FIELDS, Instruction, Opcode
from peritus.runtime.iss.memories import ProgramError

_LARGEST = {field.name: (1 << field.bits) - 1 for field in EXEC_FIELDS}


def check_counts(instruction: Instruction, hw: HwConfig) -> None:
    """Refuse what would count for ever, or beyond what the configuration has.

    Raises:
        ProgramError: names the field, its value and its limits.
    """
    opcode = instruction.opcode
    gathers = opcode is Opcode.GEMM and bool(instruction.expert_valid)
    limits = {name: (1, _LARGEST[name]) for name in COUNTS[opcode] if not (name == "tokens" and gathers)}
    match opcode:
        case Opcode.GEMM if gathers:
            limits["expert"] = (0, hw.max_experts - 1)
        case Opcode.GEMM:
            limits["tokens"] = (1, hw.acc_depth)
        case Opcode.LAYERNORM:
            limits["n_tiles"] = (1, hw.max_d_words)
            limits["width"] = (1, instruction.n_tiles * hw.pn)
    for name, (low, high) in limits.items():
        value = getattr(instruction, name)
        if not low <= value <= high:
            raise ProgramError(f"{opcode.name}: {name} {value}, must be {low}..{high}")
