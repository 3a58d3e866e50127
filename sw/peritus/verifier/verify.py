# SPDX-License-Identifier: Apache-2.0
"""Walks every job of a bundle, instruction by instruction."""

from __future__ import annotations

from peritus.arch.isa import Opcode
from peritus.bundle import Bundle
from peritus.verifier.errors import need
from peritus.verifier.forms import check_counts, form_of
from peritus.verifier.job import Job
from peritus.verifier.segments import Segments


def verify_program(bundle: Bundle) -> None:
    """Prove that a bundle's program does the same on every device, on every image, for every task.

    Raises:
        ProgramRefused: it may not; names the first instruction, the value and the limit.
    """
    hw, program = bundle.hw, bundle.instructions
    for what, need_, have in (
        ("instructions", len(program), hw.program_depth),
        ("fetch entries", len(bundle.fetches), hw.fetch_depth),
    ):
        need(need_ <= have, "capacity", f"the program has {need_} {what}, {hw.name} holds {have}")
    need(
        bool(program) and program[-1].opcode is Opcode.END and program[-1].task_mask == 0xFFFF,
        "end",
        "the program does not end with an END for all tasks",
    )
    wheres = [f"instruction {bundle.describe(index)}" for index in range(len(program))]
    forms = []
    for index, instruction in enumerate(program):
        where = wheres[index]
        forms.append(form_of(instruction, where))
        check_counts(instruction, forms[-1], hw, where)
        last = index == len(program) - 1
        need(last or instruction.opcode is not Opcode.END, "end", f"{where}: END before the last instruction")
    segments = Segments(bundle)
    for task in range(len(bundle.tasks)):
        job = Job(bundle, task, segments.of(task))
        for instruction, form, where in zip(program, forms, wheres, strict=True):
            if instruction.task_mask >> task & 1:
                job.step(instruction, form, where)
