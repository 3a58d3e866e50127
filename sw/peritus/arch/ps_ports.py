# SPDX-License-Identifier: Apache-2.0
"""The ports through which the logic of a Zynq UltraScale+ reaches the processor's memory (UG1085).

PS_PORTS["HP1"].interface             S_AXI_HP1_FPD
shared(["HP0", "HP1", "HP2"])         ((1, 2),): those two share a port of the memory controller
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PsPort:
    """gp: its number in the processor's parameters. controller: port of the memory controller behind it."""

    name: str
    gp: int
    controller: str

    @property
    def interface(self) -> str:
        return f"S_AXI_{self.name}_FPD"

    @property
    def clock(self) -> str:
        return f"saxi{self.name.lower()}_fpd_aclk"


# HPC0 and HPC1 pass the coherent interconnect, with the processor's own accesses.
PS_PORTS = {
    port.name: port
    for port in (
        PsPort("HPC0", 0, "coherent"),
        PsPort("HPC1", 1, "coherent"),
        PsPort("HP0", 2, "3"),
        PsPort("HP1", 3, "4"),
        PsPort("HP2", 4, "4"),
        PsPort("HP3", 5, "5"),
    )
}


def shared(names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Groups of positions in `names` of ports behind the same port of the memory controller."""
    groups: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        groups.setdefault(PS_PORTS[name].controller, []).append(position)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)
