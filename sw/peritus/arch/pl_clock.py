# SPDX-License-Identifier: Apache-2.0
"""Clocks that the processor of a Zynq UltraScale+ can give its programmable logic: IO PLL / n.

The presets of our boards clock the PLL with 33.333 MHz and multiply by 90 / 2, and so do PYNQ's images, which
leave it alone and only divide. Vivado does not refuse other clocks: who asks for 200 MHz gets 187.498.
"""

from __future__ import annotations

from math import ceil

from peritus.errors import PeritusError

IO_PLL_MHZ = 1500.0
FASTEST, SLOWEST = 4, 63  # divisors: pl_clk0 is at most 375 MHz; DIVISOR0 has six bits (UG1087)
# How far a clock may be below what was asked for: the reference is 33.333 MHz, not a third of 100, and Vivado
# rounds periods to picoseconds.
TOLERANCE = 1e-3


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
