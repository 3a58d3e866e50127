# SPDX-License-Identifier: Apache-2.0
"""Steps to instructions, fetch entries and the weight image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from peritus.arch.config import HwConfig
from peritus.arch.isa import Dest, EncodingError, FetchEntry, Instruction, Opcode
from peritus.compiler.errors import CapacityError, CompileError
from peritus.compiler.hazards import Flags
from peritus.compiler.memory_plan import MemoryPlan
from peritus.compiler.segments import Bytes
from peritus.compiler.step import Region, Step


@dataclass(frozen=True, eq=False)
class Emitted:
    """weights: uint8, whole stripes."""

    instructions: tuple[Instruction, ...]
    fetches: tuple[FetchEntry, ...]
    weights: Bytes


def emit(steps: Sequence[Step], plan: MemoryPlan, flags: Sequence[Flags], hw: HwConfig) -> Emitted:
    """Fill in addresses and segment lengths.

    Raises:
        CapacityError: more instructions than the hardware holds. CompileError: a value does not fit its
        field; names
            the step.
    """
    image = _WeightImage(hw.stripe_bytes)
    instructions, fetches = [], []
    gated = 0  # jobs whose gate has come, and no expert yet
    for step, flag in zip(steps, flags, strict=True):
        found = {**_addresses(step, plan, hw), "sync": int(flag.sync), "wait_stream": int(flag.wait_stream)}
        if step.instruction.opcode is Opcode.LAYERNORM:
            found["keys"] = flag.unread
        instruction = step.instruction
        if instruction.dst is Dest.ROUTER and instruction.dst_base == 0:
            gated |= instruction.task_mask
        if step.segment is not None:
            offset, stripes = image.add(step.segment)
            shared = {name: getattr(instruction, name) for name in ("expert_valid", "expert", "cold_only")}
            if instruction.expert_valid:
                shared["first_of_gate"] = int(bool(gated & instruction.task_mask))
                gated &= ~instruction.task_mask
            fetches.append(FetchEntry(offset, stripes, instruction.task_mask, **shared))
            if instruction.opcode is Opcode.GEMM:
                found["imm"] = stripes
        instructions.append(replace(instruction, **found))  # type: ignore[arg-type]
        try:
            instructions[-1].encode()
            if step.segment is not None:
                fetches[-1].encode()
        except EncodingError as error:
            raise CompileError(f"{step.label}: {error}") from error
    for what, need, have in (
        ("program_depth", len(instructions), hw.program_depth),
        ("fetch_depth", len(fetches), hw.fetch_depth),
    ):
        if need > have:
            raise CapacityError(hw.name, what, need, have, "entries", what)
    return Emitted(tuple(instructions), tuple(fetches), image.bytes())


def _addresses(step: Step, plan: MemoryPlan, hw: HwConfig) -> dict[str, int]:
    """Fields of the instruction with bases and strides of its operands."""
    found: dict[str, int] = {}

    def base(region: Region) -> int:
        return plan.base[region.buffer] + region.offset

    if step.source is not None:
        # Streamed operands are read by slice.
        scale = hw.slices if step.instruction.opcode is Opcode.GEMM else 1
        found["src_base"] = base(step.source) * scale + step.source_slice
        found["src_stride"] = step.source.stride * scale
    if step.keys is not None:
        found |= {"stat_base": base(step.keys), "stat_stride": step.keys.stride}
    if step.destination is not None:
        found |= {"dst_base": base(step.destination), "dst_stride": step.destination.stride}
    return found


class _WeightImage:
    """Segments at stripe boundaries; equal segments are stored once."""

    def __init__(self, stripe_bytes: int) -> None:
        self._stripe_bytes = stripe_bytes
        self._known: dict[bytes, tuple[int, int]] = {}
        self._parts: list[Bytes] = []
        self._stripes = 0

    def add(self, segment: Bytes) -> tuple[int, int]:
        """(first stripe, stripes) of a segment."""
        key = segment.tobytes()
        if key not in self._known:
            padding = np.zeros(-len(segment) % self._stripe_bytes, np.uint8)
            stripes = (len(segment) + len(padding)) // self._stripe_bytes
            self._parts += [segment, padding]
            self._known[key] = self._stripes, stripes
            self._stripes += stripes
        return self._known[key]

    def bytes(self) -> Bytes:
        return np.concatenate(self._parts)
