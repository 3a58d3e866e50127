# SPDX-License-Identifier: Apache-2.0
"""Verilator -Wall. The few exceptions, with reasons, are in rtl/lint.vlt."""

import subprocess

from peritus.arch.config import HwConfig
from peritus.eda.sources import design_files, waivers
from peritus.eda.verilator.install import verilator_command, verilator_environment

TIMEOUT_S = 600


def lint_verilator(hw: HwConfig, top: str) -> bool:
    """verilator --lint-only -Wall on `top` in configuration `hw`; True if clean, else they are on stderr."""
    command = [*verilator_command(), "--lint-only", "-Wall", "--no-timing", "--quiet", "--top-module", top]
    command += map(str, [waivers(), *design_files(top, hw)])
    run = subprocess.run(command, env=verilator_environment(), timeout=TIMEOUT_S, check=False)
    return run.returncode == 0
