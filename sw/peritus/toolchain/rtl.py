# SPDX-License-Identifier: Apache-2.0
"""The SystemVerilog files of one hardware configuration, in compilation order."""

from pathlib import Path

from peritus.resources import resource


def rtl_sources(hw: str) -> list[Path]:
    """All of rtl/ for configuration `hw`: its package, shared packages, modules, then lint waivers (.vlt).

    Files under rtl/generated/<other configuration>/ are left out.

    Raises:
        ResourceError: there is no generated package for `hw`.
    """
    root = resource("rtl")
    own = resource(f"rtl/generated/{hw}")
    generated = root / "generated"
    files = [path for path in root.rglob("*") if path.suffix in (".sv", ".vlt")]
    files = [path for path in files if path.parent in (own, generated) or generated not in path.parents]

    def order(path: Path) -> tuple[int, str]:
        package = path.stem.endswith("_pkg")
        rank = 0 if path.parent == own else 1 if package else 3 if path.suffix == ".vlt" else 2
        return rank, path.as_posix()

    return sorted(files, key=order)
