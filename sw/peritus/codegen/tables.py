# SPDX-License-Identifier: Apache-2.0
"""ROM contents of the function units, peritus.arch.units, for SystemVerilog and C++."""

from __future__ import annotations

from collections.abc import Iterable

from peritus.arch.units import UNITS
from peritus.codegen.text import banner

ROMS = tuple(rom for unit in UNITS for rom in unit.roms)


def _wrap(values: Iterable[str], indent: str, per_line: int = 16) -> str:
    items = list(values)
    rows = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return (",\n" + indent).join(rows)


def sv_tables() -> str:
    """peritus_tables_pkg: every ROM of the function units, peritus.arch.units."""
    lines = [banner("//") + "// ROM contents; formulas in docs/numerics.md.", "package peritus_tables_pkg;"]
    for rom in ROMS:
        name, bits, values = rom.name, rom.bits, rom.values
        body = _wrap((f"{bits}'d{v}" for v in values), "    ")
        lines.append(f"  localparam logic [{bits - 1}:0] {name} [{len(values)}] = '{{\n    {body}}};")
    lines.append("endpackage")
    return "\n".join(lines) + "\n"


def cpp_tables() -> str:
    """ROM contents for the HLS back end."""
    lines = [banner("//"), "#pragma once\n#include <cstdint>\n", "namespace peritus::tables {"]
    for rom in ROMS:
        name, bits, values = rom.name, rom.bits, rom.values
        kind = "std::uint8_t" if bits <= 8 else "std::uint16_t"
        body = _wrap((str(v) for v in values), "    ")
        lines.append(f"constexpr {kind} {name}[{len(values)}] = {{\n    {body}}};")
    lines.append("}  // namespace peritus::tables")
    return "\n".join(lines) + "\n"
