# SPDX-License-Identifier: Apache-2.0
"""ROM contents of the function units, from peritus.reference.tables, for SystemVerilog and C++."""

from __future__ import annotations

from collections.abc import Iterable

from peritus.codegen.text import banner
from peritus.reference import tables
from peritus.reference.arithmetic import I64

ROMS: tuple[tuple[str, int, I64], ...] = (
    ("EXP_TABLE", 8, tables.EXP),
    ("EXP2_TABLE", 16, tables.EXP2),
    ("GELU_DELTA", 6, tables.DELTA),
    ("RECIPROCAL_TABLE", 16, tables.RECIPROCAL),
    ("RSQRT_TABLE", 16, tables.RSQRT),
)


def _wrap(values: Iterable[str], indent: str, per_line: int = 16) -> str:
    items = list(values)
    rows = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return (",\n" + indent).join(rows)


def sv_tables() -> str:
    """peritus_tables_pkg: every ROM of the function units, from peritus.reference.tables."""
    lines = [banner("//") + "// ROM contents; formulas in docs/numerics.md.", "package peritus_tables_pkg;"]
    for name, bits, values in ROMS:
        body = _wrap((f"{bits}'d{v}" for v in values), "    ")
        lines.append(f"  localparam logic [{bits - 1}:0] {name} [{len(values)}] = '{{\n    {body}}};")
    lines.append("endpackage")
    return "\n".join(lines) + "\n"


def cpp_tables() -> str:
    """ROM contents for the HLS back end."""
    lines = [banner("//"), "#pragma once\n#include <cstdint>\n", "namespace peritus::tables {"]
    for name, bits, values in ROMS:
        kind = "std::uint8_t" if bits <= 8 else "std::uint16_t"
        body = _wrap((str(v) for v in values), "    ")
        lines.append(f"constexpr {kind} {name}[{len(values)}] = {{\n    {body}}};")
    lines.append("}  // namespace peritus::tables")
    return "\n".join(lines) + "\n"
