# SPDX-License-Identifier: Apache-2.0
"""Colours: written as seen on a screen, kept as reflected light (gamma 2: a square root undoes it)."""

from __future__ import annotations

import numpy as np

from quant_models.data.scenes.frame import Floats


def rgb(red: float, green: float, blue: float) -> Floats:
    """Reflectance [3, 1] of a screen colour with components 0..1."""
    return np.array([[red * red], [green * green], [blue * blue]], np.float32)


def vary(rng: np.random.Generator, colour: tuple[float, float, float], spread: float) -> Floats:
    """A screen colour, each component and the brightness moved by about `spread`; reflectance [3, 1]."""
    brightness = 1 + rng.normal(0.0, spread)
    moved = zip(colour, rng.normal(0.0, spread / 3, 3).tolist(), strict=True)
    red, green, blue = (min(max(c * brightness + tint, 0.02), 0.98) for c, tint in moved)
    return rgb(red, green, blue)


def pick(rng: np.random.Generator, colours: tuple[tuple[float, float, float], ...], spread: float) -> Floats:
    """One of several screen colours, varied; reflectance [3, 1]."""
    return vary(rng, colours[int(rng.integers(len(colours)))], spread)
