# SPDX-License-Identifier: Apache-2.0
"""The SystemVerilog files of one hardware configuration, in compilation order."""

from pathlib import Path

from peritus.resources import resource


def rtl_sources(hw: str) -> list[Path]:
    """The accelerator's files in rtl/ for configuration `hw`: packages, modules, then lint waivers (.vlt).

    Files under rtl/generated/<other configuration>/ and rtl/link/ are left out.

    Raises:
        ResourceError: there is no generated package for `hw`.
    """
    root = resource("rtl")
    own = resource(f"rtl/generated/{hw}")
    generated = root / "generated"
    files = [path for path in root.rglob("*") if path.suffix in (".sv", ".vlt")]
    files = [path for path in files if path.parent in (own, generated) or generated not in path.parents]
    files = [path for path in files if path.parent != root / "link"]

    def order(path: Path) -> tuple[int, str]:
        package = path.stem.endswith("_pkg")
        rank = 0 if path.parent == own else 1 if package else 3 if path.suffix == ".vlt" else 2
        return rank, path.as_posix()

    return sorted(files, key=order)


def link_sources(hw: str) -> list[Path]:
    """What a board without a processor needs: the accelerator, and around it the serial link and a memory.

    Raises:
        ResourceError: there is no generated package for `hw`.
    """
    root = resource("rtl")
    package = root / "generated" / "link" / "link_pkg.sv"
    return [package, *rtl_sources(hw), *sorted((root / "link").glob("*.sv"))]


def simulation_sources(hw: str) -> list[Path]:
    """`rtl_sources` and models of the vendor's cells that RTL may instantiate (never for synthesis).

    Raises:
        ResourceError: there is no generated package for `hw`.
    """
    return [*sorted(resource("sim/models").glob("*.sv")), *rtl_sources(hw)]
