# SPDX-License-Identifier: Apache-2.0
"""Executes a program, instruction by instruction, on models of the memories: docs/isa.md made executable."""

from peritus.runtime.iss.machine import Machine
from peritus.runtime.iss.memories import ProgramError
from peritus.runtime.iss.trace import Trace, WriteRecord

__all__ = ["Machine", "ProgramError", "Trace", "WriteRecord"]
