# SPDX-License-Identifier: Apache-2.0
"""Cells of Yosys' netlists for UltraScale+ (synth_xilinx -family xcup), and what they take of a device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from peritus.eda.yosys.netlist import Cells

DEVICE = "XCZU7EV"
CAPACITY = {"DSP48E2": 1728, "URAM288": 96, "RAMB36": 312, "LUT": 230_400, "FF": 460_800}
RESOURCES = tuple(CAPACITY)
REGISTERED_DSP = "DSP48E2 with registers"

# LUTs of a SLICEM that distributed RAM takes.
_LUT_RAM_LUTS = {
    "RAM32X1S": 1, "RAM64X1S": 1, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1S": 2, "RAM128X1D": 4,
    "RAM256X1S": 4, "RAM256X1D": 8, "RAM512X1S": 8, "RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8,
    "RAM32X16DR8": 8, "RAM64X8SW": 8,
}  # fmt: skip
_SHIFT_REGISTERS = frozenset({"SRL16E", "SRLC16E", "SRLC32E"})
_LUTS = frozenset(f"LUT{inputs}" for inputs in range(1, 7))

CELLS = Cells(
    flip_flops=frozenset({"FDRE", "FDSE", "FDCE", "FDPE"}),
    block_ram=frozenset({"RAMB18E2", "RAMB36E2", "URAM288"}),
    clocked=_SHIFT_REGISTERS | {REGISTERED_DSP},
    lut_ram=dict.fromkeys(_LUT_RAM_LUTS, ("ADDR", "DPRA", "A", "RADDR")),
    levels={
        **dict.fromkeys(_LUTS, 1),
        **dict.fromkeys(_LUT_RAM_LUTS, 1),
        **dict.fromkeys(("MUXF7", "MUXF8", "MUXF9", "INV"), 0),  # inverters vanish in LUTs
        **dict.fromkeys(("CARRY4", "CARRY8", "DSP48E2"), 1),
    },
    carry_in=frozenset({("CARRY4", "CI"), ("CARRY8", "CI")}),
)


def mark_registered_dsps(design: Mapping[str, Any], top: str) -> None:
    """Give slices that register their result a kind of their own; Yosys' inferred ones are combinational."""
    for cell in design["modules"][top]["cells"].values():
        if cell["type"] == "DSP48E2" and int(cell["parameters"].get("PREG", "1"), 2):
            cell["type"] = REGISTERED_DSP


def resources(cells: Mapping[str, int]) -> dict[str, float]:
    """Cells by kind as RESOURCES of a device; half a RAMB36 is one RAMB18E2."""
    luts = sum(cells.get(kind, 0) for kind in _LUTS | _SHIFT_REGISTERS)
    return {
        "DSP48E2": cells.get("DSP48E2", 0) + cells.get(REGISTERED_DSP, 0),
        "URAM288": cells.get("URAM288", 0),
        "RAMB36": cells.get("RAMB36E2", 0) + cells.get("RAMB18E2", 0) / 2,
        "LUT": luts + sum(count * cells.get(kind, 0) for kind, count in _LUT_RAM_LUTS.items()),
        "FF": sum(cells.get(kind, 0) for kind in CELLS.flip_flops),
    }
