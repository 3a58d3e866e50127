# SPDX-License-Identifier: Apache-2.0
"""Tokens in each expert's queue, gate by gate: of an image, by the simulator, or spread evenly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from peritus.arch.isa import Dest, Instruction, Opcode
from peritus.arch.memories import Memory
from peritus.bundle import Bundle
from peritus.reference.router import route
from peritus.runtime.iss import Trace
from peritus.runtime.iss.device import IssDevice

Routing = tuple[tuple[int, ...], ...]


def gates(bundle: Bundle, task: str) -> list[Instruction]:
    """The gates that a job of the task executes, in order."""
    index = bundle.task_index(task)
    return [
        i
        for i in bundle.instructions
        if i.opcode is Opcode.GEMM and i.dst is Dest.ROUTER and i.task_mask >> index & 1
    ]


def even_routing(bundle: Bundle, task: str) -> Routing:
    """Every expert gets as many tokens as any other, the first ones what is left over."""

    def spread(gate: Instruction) -> tuple[int, ...]:
        share, rest = divmod((gate.dst_base + gate.tokens) * gate.top_k, gate.width)
        return tuple(share + (expert < rest) for expert in range(gate.width))

    return tuple(spread(gate) for gate in gates(bundle, task))


def routing_of(bundle: Bundle, image: NDArray[np.uint8], task: str) -> Routing:
    """Of an image, uint8 [height, width, channels]; raises as the `iss` device does."""
    trace = Trace()
    with IssDevice(bundle.hw) as device:
        device.load(bundle)
        device.run_traced(image, task=task, features=False, trace=trace)
    return routing_in(bundle, trace)


def routing_in(bundle: Bundle, trace: Trace) -> Routing:
    """Of a job of the instruction set simulator."""
    counts: list[tuple[int, ...]] = []
    for record in trace.of(Memory.ROUTER):
        gate = bundle.instructions[record.instruction]
        routing = route(record.data[:, : gate.width].astype(np.int16), gate.top_k)
        before = counts[-1] if gate.dst_base else (0,) * gate.width
        counts.append(tuple(before[expert] + len(routing.queue(expert)[0]) for expert in range(gate.width)))
    return tuple(counts)
