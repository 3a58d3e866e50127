# SPDX-License-Identifier: Apache-2.0
"""Walks every job of a bundle, instruction by instruction."""

from __future__ import annotations

from itertools import product

from peritus.arch.isa import Opcode, runs
from peritus.bundle import Bundle
from peritus.verifier.errors import need
from peritus.verifier.forms import Form, check_counts, form_of
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
        if forms[-1] is Form.KEEP:
            # So every first job fills the memory before anything reads it, and all others find it filled.
            first = index == 0 and instruction.cold_only and instruction.task_mask == 0xFFFF
            need(
                bool(first),
                "resident",
                f"{where}: must be the first one, for every task, of the first job only",
            )
    segments = Segments(bundle)
    keeps = program[0].opcode is Opcode.KEEP
    for task, cold in product(range(bundle.jobs), (True, False) if keeps else (True,)):
        job = Job(bundle, task, segments.of(task, cold=cold))
        for instruction, form, where in zip(program, forms, wheres, strict=True):
            if runs(instruction, task, cold=cold):
                job.step(instruction, form, where)
