# SPDX-License-Identifier: Apache-2.0
"""Quantized model to bundle, in the order of the files: lower, memory_plan, hazards, emit."""

from peritus.compiler.compile import compile_model
from peritus.compiler.errors import CapacityError, CompileError

__all__ = ["CapacityError", "CompileError", "compile_model"]
