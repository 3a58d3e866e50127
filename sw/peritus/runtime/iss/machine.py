# SPDX-License-Identifier: Apache-2.0
"""Fetch, predicate, execute."""

from __future__ import annotations

import numpy as np

from peritus.arch.config import HwConfig
from peritus.arch.isa import Instruction, Opcode, runs
from peritus.bundle import Bundle
from peritus.runtime.frame_by_frame import JobOutput
from peritus.runtime.iss import units
from peritus.runtime.iss.counts import check_counts
from peritus.runtime.iss.gemm import run_gemm
from peritus.runtime.iss.memories import Bytes, ProgramError, State, WeightStream
from peritus.runtime.iss.trace import Trace, WriteRecord


class Machine:
    """Runs jobs of one bundle. Memories keep their contents from job to job, as in hardware."""

    def __init__(self, bundle: Bundle, hw: HwConfig) -> None:
        bundle.check_hardware(hw)
        self._bundle, self._hw = bundle, hw
        self._state = State(hw)
        self._cold = True  # no job has run yet

    def run(self, image: Bytes, task: int, features: bool, trace: Trace | None = None) -> JobOutput:
        """Run one job.

        image: uint8 [frame.bytes], as FrameLayout has it. task: index. trace: takes the record of every
        memory write.

        Raises:
            ProgramError: an instruction cannot be executed; names it, the value and the limit.
        """
        bundle = self._bundle
        cold, self._cold = self._cold, False
        entries = [entry for entry in bundle.fetches if runs(entry, task, cold=cold)]
        stream = WeightStream(bundle.weights, entries, self._hw)
        buffers = {
            False: np.zeros(bundle.job_bytes(task), np.uint8),
            True: np.zeros(bundle.features.output_bytes if features else 0, np.uint8),
        }
        for index, instruction in enumerate(bundle.instructions):
            if not runs(instruction, task, cold=cold) or (instruction.features_only and not features):
                continue
            if instruction.opcode is Opcode.END:
                stream.finish()
                return JobOutput(buffers[False], buffers[True] if features else None, stream.bytes_read)
            try:
                check_counts(instruction, self._hw)
                if instruction.opcode is Opcode.STORE:
                    self._store(instruction, buffers[bool(instruction.features_only)])
                    continue
                record = self._execute(instruction, index, image, stream)
            except ProgramError as error:
                raise ProgramError(f"instruction {bundle.describe(index)}: {error}") from error
            if trace is not None and record is not None:
                trace.records.append(record)
        raise ProgramError(f"the program of {len(bundle.instructions)} instructions has no END")

    def _execute(
        self, instruction: Instruction, index: int, image: Bytes, stream: WeightStream
    ) -> WriteRecord | None:
        state, hw = self._state, self._hw
        match instruction.opcode:
            case Opcode.LOAD_IMAGE:
                return units.load_image(instruction, index, image, state, hw)
            case Opcode.RES_INIT:
                return units.res_init(instruction, index, state, stream, hw)
            case Opcode.COPY:
                return units.copy(instruction, index, state, hw)
            case Opcode.KEEP:
                units.keep(instruction, state, stream, hw)
                return None
            case Opcode.LAYERNORM:
                return units.layernorm(instruction, index, state, stream, hw)
            case Opcode.GEMM:
                return run_gemm(instruction, index, state, stream, hw)
            case _:
                raise ProgramError(f"opcode {instruction.opcode.name} is not executable")

    def _store(self, instruction: Instruction, buffer: Bytes) -> None:
        data = units.store(instruction, self._state, self._hw)
        end = instruction.imm + len(data)
        if end > len(buffer):
            raise ProgramError(f"writes up to byte {end} of a buffer of {len(buffer)}")
        buffer[instruction.imm : end] = data
