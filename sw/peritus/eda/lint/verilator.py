# SPDX-License-Identifier: Apache-2.0
"""Verilator -Wall. The few exceptions, with reasons, are in rtl/lint.vlt."""

import sys
from pathlib import Path

from peritus.arch.config import HwConfig
from peritus.eda.process import run_lines
from peritus.eda.sources import design_files, waivers
from peritus.eda.verilator.install import verilator_command, verilator_environment

TIMEOUT_S = 600


def lint_verilator(hw: HwConfig, top: str) -> bool:
    """verilator --lint-only -Wall on `top` in configuration `hw`; True if clean, else they are on stderr."""
    command = [*verilator_command(), "--lint-only", "-Wall", "--no-timing", "--quiet", "--top-module", top]
    command += map(str, [waivers(), *design_files(top, hw)])
    env, say = verilator_environment(), sys.stderr.write
    return run_lines(command, cwd=Path.cwd(), timeout_s=TIMEOUT_S, on_line=say, env=env) == 0
