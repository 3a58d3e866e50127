# SPDX-License-Identifier: Apache-2.0
"""Writes every generated file that is kept in the tree.

    python -m peritus.codegen [ROOT]      or `make generated`; CI runs it and diffs

Registers (with their RTL and page), the serial link's package, ROM tables, tables of the docs. What depends
on a hardware configuration is not kept: peritus.codegen.configured.
"""

from __future__ import annotations

import sys
from pathlib import Path

from peritus.codegen import csr, docs, latency, link, tables


def generated_files() -> dict[str, str]:
    """Path relative to the repository root -> content, of every generated file in the tree."""
    return {
        **csr.generated_files(),
        "rtl/generated/peritus_link_pkg.sv": link.link_package(),
        "rtl/generated/peritus_latency_pkg.sv": latency.latency_package(),
        "rtl/generated/peritus_tables_pkg.sv": tables.sv_tables(),
        "hls/generated/peritus_tables.hpp": tables.cpp_tables(),
        "docs/generated/isa.md": docs.isa_tables(),
        "docs/generated/configurations.md": docs.configuration_table(),
        "docs/generated/machine.md": docs.machine_tables(),
    }


def main() -> int:
    """Write them below ROOT (default: the repository holding this package)."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[3]
    for path, text in generated_files().items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
