# SPDX-License-Identifier: Apache-2.0
"""Clocks that a Zynq's processor can and cannot give its logic."""

from __future__ import annotations

import pytest

from peritus.arch.pl_clock import (
    FASTEST,
    SLOWEST,
    VCO_MHZ,
    ClockError,
    divisor_for,
    mmcm_for,
    reachable_mhz,
)


@pytest.mark.parametrize("pll_mhz", [1500.0, 33.333333 * 45, 33.333 * 45])
def test_every_reachable_clock_is_reached(pll_mhz: float) -> None:
    """Also where the reference is not exactly a third of 100 MHz."""
    for divisor in range(FASTEST, SLOWEST + 1):
        assert divisor_for(reachable_mhz(divisor), pll_mhz) == divisor


@pytest.mark.parametrize(
    ("mhz", "near"),
    [
        (200, "187.5 and 214.286"),
        (280, "250 and 300"),
        (214.285, "187.5 and 214.286"),  # a hair below 1500 / 7: the next slower one would be taken
        (400, "375"),
        (20, "23.81"),
        (0, "23.81"),
    ],
)
def test_others_are_refused_and_the_nearest_named(mhz: float, near: str) -> None:
    with pytest.raises(ClockError, match=rf"^{mhz:g} MHz is not .*1500 MHz.*nearest: .*{near} MHz$"):
        divisor_for(mhz)


def test_an_mmcm_makes_every_reachable_clock_and_twice_that() -> None:
    for divisor in range(FASTEST, SLOWEST + 1):
        mhz = reachable_mhz(divisor)
        mmcm = mmcm_for(mhz)
        assert VCO_MHZ[0] <= mhz * mmcm.multiply <= VCO_MHZ[1] * (1 + 1e-6)
        assert mmcm.multiply == mmcm.divide == 2 * mmcm.divide_fast


@pytest.mark.parametrize("mhz", [801.0, 1600.0])
def test_a_ratio_without_a_clock_is_refused(mhz: float) -> None:
    with pytest.raises(
        ClockError, match=rf"{mhz:g} MHz and twice that .* runs at 800 to 1600 MHz, an even mul"
    ):
        mmcm_for(mhz)
