# SPDX-License-Identifier: Apache-2.0
"""The energy of a frame, estimated: operations and bytes, times published energies of one, as a band.

No power was measured and Vivado was not run. Published energies are those of an ASIC of 45 nm; the upper end
of logic and on-chip memory takes what an FPGA needs more by the one measurement that everyone cites. Neither
leakage nor clock, I/O or processor are in it: a board draws more.
"""

from __future__ import annotations

from dataclasses import dataclass

from peritus.arch.config import HwConfig
from peritus.pages.account import Layer
from peritus.runtime.timeline import Cause

HOROWITZ = "M. Horowitz, Computing's Energy Problem, ISSCC 2014, 45 nm"
KUON_ROSE = "I. Kuon, J. Rose, Measuring the Gap Between FPGAs and ASICs, IEEE TCAD 26(2), 2007: 14 times"
FPGA = 14.0  # dynamic power of an FPGA over that of an ASIC, by KUON_ROSE, logic only
# Picojoules by HOROWITZ: 8-bit multiplication, 32-bit addition; 64 bits of SRAM of 8 kB, 32 kB, 1 MB; DRAM.
MULTIPLY_PJ, ADD_PJ = 0.2, 0.1
SRAM_8K_PJ, SRAM_32K_PJ, SRAM_1M_PJ = 10.0, 20.0, 100.0
DRAM_PJ = (1300.0, 2600.0)
WORD = 8  # bytes of those 64 bits
SUM_BYTES = 4  # of an accumulator


@dataclass(frozen=True)
class Part:
    """count: operations of a kind. Picojoules of one, from low to high, and of whom."""

    kind: str
    count: float
    low_pj: float
    high_pj: float
    source: str

    @property
    def millijoules(self) -> tuple[float, float]:
        """Of all of them."""
        return self.count * self.low_pj * 1e-9, self.count * self.high_pj * 1e-9


@dataclass(frozen=True)
class Energy:
    """Parts, and their sum in millijoules a frame. useful_macs: of the network, without padding."""

    parts: tuple[Part, ...]
    useful_macs: int

    @property
    def millijoules(self) -> tuple[float, float]:
        """Of a frame."""
        return sum(part.millijoules[0] for part in self.parts), sum(
            part.millijoules[1] for part in self.parts
        )

    @property
    def gops_per_watt(self) -> tuple[float, float]:
        """Two operations a useful multiply-accumulate, from the upper to the lower end of the energy."""
        low, high = self.millijoules
        operations = 2e-6 * self.useful_macs  # 10^9 operations over 10^-3 J
        return operations / high, operations / low


def energy_of(hw: HwConfig, frame: Layer, useful_macs: int) -> Energy:
    """Of a frame, by its account."""
    cycles = frame.causes[Cause.ARRAY]
    sums = 2 * SUM_BYTES * hw.pn * cycles / WORD
    operands = hw.pk * cycles / WORD
    ring = 2 * frame.bytes / WORD
    multiply = MULTIPLY_PJ + ADD_PJ
    logic = f"{HOROWITZ}; up to {FPGA:g} times: {KUON_ROSE.split(':', maxsplit=1)[0]}"
    parts = (
        Part("int8 multiply-accumulates of the array", frame.macs, multiply, multiply * FPGA, logic),
        Part("accumulators, 64 bits read or written", sums, SRAM_8K_PJ, SRAM_32K_PJ, HOROWITZ),
        Part("operands, 64 bits read", operands, SRAM_32K_PJ, SRAM_1M_PJ, HOROWITZ),
        Part("weights on chip, 64 bits written or read", ring, SRAM_32K_PJ, SRAM_1M_PJ, HOROWITZ),
        Part("external memory, 64 bits moved", frame.bytes / WORD, *DRAM_PJ, HOROWITZ),
    )
    return Energy(parts, useful_macs)
