# SPDX-License-Identifier: Apache-2.0
"""Keeps weights on chip: they are read in the first job after the program is loaded, and not again.

Weights that every job of every task uses, in program order, as many as the resident memory holds. Those of
experts are not among them: which are idle is not known, and an idle one is not read at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from peritus.arch.config import HwConfig
from peritus.arch.isa import Dest, Instruction, Opcode, StatSource
from peritus.compiler.segments import Bytes
from peritus.compiler.step import Step

_ROW = 8  # words of a row of KEEP, whose counts are rows and words


def keep_resident(steps: Sequence[Step], hw: HwConfig) -> list[Step]:
    """The same program, with a KEEP in front of it if anything is kept."""
    capacity = hw.resident_words // _ROW * _ROW
    tasks = 0  # of the model; END is for others, too
    for step in steps:
        tasks |= step.instruction.task_mask if step.instruction.opcode is Opcode.GEMM else 0
    base: dict[int, int] = {}  # first word of a segment, by identity: blocks of tokens share one
    kept: list[Bytes] = []
    total = 0
    found = []
    for step in steps:
        segment = step.segment
        if segment is None or not _everywhere(step.instruction, tasks):
            found.append(step)
            continue
        words = len(segment) // hw.weight_word_bytes
        if id(segment) not in base and total + words <= capacity:
            base[id(segment)] = total
            kept.append(segment)
            total += words
        if id(segment) in base:
            resident = replace(step.instruction, stat_src=StatSource.RESIDENT, stat_base=base[id(segment)])
            step = replace(step, instruction=resident, segment=None)
        found.append(step)
    if not kept:
        return found
    rows = -(-total // _ROW)
    padding = np.zeros((rows * _ROW - total) * hw.weight_word_bytes, np.uint8)
    keep = Instruction(Opcode.KEEP, cold_only=1, tokens=rows, n_tiles=_ROW, dst_stride=_ROW)
    return [Step("resident weights", keep, segment=np.concatenate([*kept, padding])), *found]


def _everywhere(i: Instruction, tasks: int) -> bool:
    """Are these weights that a job of any of the tasks uses?"""
    weights = i.opcode is Opcode.GEMM and i.stat_src is StatSource.WEIGHTS
    return weights and not i.expert_valid and i.dst is not Dest.ROUTER and i.task_mask == tasks
