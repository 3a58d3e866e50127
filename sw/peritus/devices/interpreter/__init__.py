# SPDX-License-Identifier: Apache-2.0
"""Executes a program, instruction by instruction, on models of the memories: docs/isa.md made executable."""

from peritus.devices.interpreter.machine import JobOutput, Machine
from peritus.devices.interpreter.memories import ProgramError
from peritus.devices.interpreter.trace import MemoryName, Trace, WriteRecord

__all__ = ["JobOutput", "Machine", "MemoryName", "ProgramError", "Trace", "WriteRecord"]
