# SPDX-License-Identifier: Apache-2.0
"""Keeps weights on chip: they are read in the first job after the program is loaded, and not again.

Weights that every job of every task uses, as many as the resident memory holds, and spread evenly over the
program: what is kept is not read from DDR there, and the ring fills for what follows. All at the beginning it
would be full, and DDR idle, long before the end, where it is missed. Weights of experts are not among them:
which are idle is not known, and an idle one is not read at all.
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
    jobs = 0  # of the model; END is for others, too
    readers: dict[bytes, int] = {}  # by content: blocks of tokens share a segment, and so do jobs
    contents = [_dense_weights(step) for step in steps]
    for step, key in zip(steps, contents, strict=True):
        jobs |= step.instruction.task_mask if step.instruction.opcode is Opcode.GEMM else 0
        if key is not None:
            readers[key] = readers.get(key, 0) | step.instruction.task_mask
    candidates = [np.frombuffer(key, np.uint8) for key, mask in readers.items() if mask == jobs]
    kept, total = _spread(candidates, capacity, hw.weight_word_bytes)
    if not kept:
        return list(steps)
    starts = np.cumsum([0, *(len(segment) for segment in kept)]) // hw.weight_word_bytes
    base = {segment.tobytes(): int(start) for segment, start in zip(kept, starts, strict=False)}
    found = []
    for step, key in zip(steps, contents, strict=True):
        if key is not None and key in base:
            resident = replace(step.instruction, stat_src=StatSource.RESIDENT, stat_base=base[key])
            step = replace(step, instruction=resident, segment=None)
        found.append(step)
    rows = -(-total // _ROW)
    padding = np.zeros((rows * _ROW - total) * hw.weight_word_bytes, np.uint8)
    keep = Instruction(Opcode.KEEP, cold_only=1, tokens=rows, n_tiles=_ROW, dst_stride=_ROW)
    return [Step("resident weights", keep, segment=np.concatenate([*kept, padding])), *found]


def _spread(segments: Sequence[Bytes], capacity: int, word_bytes: int) -> tuple[list[Bytes], int]:
    """Those to keep, and their words: up to any place the same share of the words as of all."""
    sizes = [len(segment) // word_bytes for segment in segments]
    shares = np.cumsum(sizes) * min(1.0, capacity / max(1, sum(sizes)))
    chosen: set[int] = set()
    total = 0
    for limits in (shares, [capacity] * len(sizes)):  # evenly, then what still fits
        for index, limit in enumerate(limits):
            if index not in chosen and total + sizes[index] <= limit:
                chosen.add(index)
                total += sizes[index]
    return [segments[index] for index in sorted(chosen)], total


def _dense_weights(step: Step) -> bytes | None:
    """The segment of a GEMM, unless it is an expert's or a gate's."""
    i = step.instruction
    weights = i.opcode is Opcode.GEMM and i.stat_src is StatSource.WEIGHTS
    if step.segment is None or not weights or i.expert_valid or i.dst is Dest.ROUTER:
        return None
    return step.segment.tobytes()
