# SPDX-License-Identifier: Apache-2.0
"""Clocks that the processor of a Zynq UltraScale+ can give its programmable logic: IO PLL / n.

And the settings of an MMCM behind it, which gives twice that clock too.

The presets of our boards clock the PLL with 33.333 MHz and multiply by 90 / 2, and so do PYNQ's images, which
leave it alone and only divide. Vivado does not refuse other clocks: who asks for 200 MHz gets 187.498.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from peritus.errors import PeritusError

IO_PLL_MHZ = 1500.0
FASTEST, SLOWEST = 4, 63  # divisors: pl_clk0 is at most 375 MHz; DIVISOR0 has six bits (UG1087)
# How far a clock may be below what was asked for: the reference is 33.333 MHz, not a third of 100, and Vivado
# rounds periods to picoseconds.
TOLERANCE = 1e-3


# The voltage-controlled oscillator of an MMCM (DS925, speed grade -2), in MHz.
VCO_MHZ = 800.0, 1600.0


class ClockError(PeritusError):
    """The processor cannot make a clock; names it and the nearest ones that it can make."""


def reachable_mhz(divisor: int) -> float:
    """The frequency to ask for, rounded up at the third decimal so that the clock is never above it."""
    return ceil(IO_PLL_MHZ / divisor * 1000 - 1e-6) / 1000


def clocks_from(mhz: float, count: int) -> tuple[float, ...]:
    """`mhz` and the next slower ones, fastest first; ClockError as divisor_for."""
    first = divisor_for(mhz)
    return (mhz, *(reachable_mhz(n) for n in range(first + 1, min(first + count, SLOWEST + 1))))


def divisor_for(mhz: float, pll_mhz: float = IO_PLL_MHZ) -> int:
    """The divisor of the fastest clock that is not above `mhz`.

    Raises:
        ClockError: that clock is more than TOLERANCE below `mhz`.
    """
    divisor = ceil(pll_mhz / mhz) if mhz > 0 else SLOWEST + 1
    if not FASTEST <= divisor <= SLOWEST or pll_mhz / divisor < mhz * (1 - TOLERANCE):
        near = sorted({min(max(n, FASTEST), SLOWEST) for n in (divisor - 1, divisor)}, reverse=True)
        raise ClockError(
            f"{mhz:g} MHz is not what the processor's IO PLL, {pll_mhz:.0f} MHz, gives divided by "
            f"{FASTEST} to {SLOWEST}; nearest: {' and '.join(f'{reachable_mhz(n):g}' for n in near)} MHz"
        )
    return divisor


@dataclass(frozen=True)
class Mmcm:
    """Settings of an MMCM that gives its input's frequency, and twice that, with common edges (UG572).

    multiply: of the oscillator over the input. divide, divide_fast: from there to the two clocks.
    """

    multiply: int
    divide: int
    divide_fast: int


def mmcm_for(mhz: float) -> Mmcm:
    """The settings with the fastest oscillator for a clock of `mhz`; ClockError where there are none."""
    low, high = VCO_MHZ
    multiply = int(high / mhz / 2 + 1e-6) * 2  # even: the fast clock is the oscillator over half of it
    if multiply < 2 or mhz * multiply < low:
        raise ClockError(
            f"{mhz:g} MHz and twice that are not what an MMCM makes: its oscillator runs at {low:g} to "
            f"{high:g} MHz, an even multiple"
        )
    return Mmcm(multiply, multiply, multiply // 2)
