# SPDX-License-Identifier: Apache-2.0
"""What lights a scene: the sun, the sky and the air between."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np

from quant_models.data.scenes.colour import vary
from quant_models.data.scenes.frame import Floats
from quant_models.data.scenes.noise import TILE


@dataclass(frozen=True, eq=False)
class Weather:
    """Colours are light [3, 1]; `sun` [3] points at the sun; `haze` is the extinction per metre."""

    sun: Floats
    sunlight: Floats
    ambient: Floats
    horizon: Floats
    zenith: Floats
    cloud: Floats
    cover: float
    crisp: float
    haze: float
    dusk: bool
    offset: int


def random_weather(rng: np.random.Generator) -> Weather:
    """Bright day, low sun, overcast or dusk."""
    kind = rng.random()
    azimuth = float(rng.uniform(-np.pi, np.pi))
    if kind < 0.45:  # bright day
        height, power = float(rng.uniform(30, 70)), float(rng.uniform(1.2, 1.9))
        sun, ambient, horizon, zenith = (
            (1.0, 0.97, 0.92),
            (0.58, 0.62, 0.68),
            (0.82, 0.88, 0.94),
            (0.36, 0.56, 0.86),
        )
        cover = float(rng.uniform(0.2, 0.6))
    elif kind < 0.65:  # low sun
        height, power = float(rng.uniform(10, 28)), float(rng.uniform(1.2, 2.0))
        sun, ambient, horizon, zenith = (
            (1.0, 0.86, 0.66),
            (0.52, 0.54, 0.60),
            (0.96, 0.84, 0.68),
            (0.46, 0.60, 0.82),
        )
        cover = float(rng.uniform(0.2, 0.55))
    elif kind < 0.9:  # overcast
        height, power = float(rng.uniform(30, 60)), float(rng.uniform(0.0, 0.3))
        sun, ambient, horizon, zenith = (
            (1.0, 0.98, 0.96),
            (0.82, 0.83, 0.85),
            (0.84, 0.85, 0.87),
            (0.72, 0.75, 0.79),
        )
        cover = float(rng.uniform(0.5, 0.9))
    else:  # dusk
        height, power = float(rng.uniform(3, 10)), float(rng.uniform(0.1, 0.5))
        sun, ambient, horizon, zenith = (
            (1.0, 0.70, 0.50),
            (0.46, 0.46, 0.56),
            (0.80, 0.62, 0.56),
            (0.26, 0.32, 0.52),
        )
        cover = float(rng.uniform(0.3, 0.7))
    up = radians(height)
    towards = np.array([sin(azimuth) * cos(up), sin(up), cos(azimuth) * cos(up)], np.float32)
    fog = rng.random()
    haze = float(rng.uniform(0.012, 0.035)) if fog < 0.12 else float(rng.uniform(0.0005, 0.005))
    return Weather(
        sun=towards,
        sunlight=vary(rng, sun, 0.03) * np.float32(power),
        ambient=vary(rng, ambient, 0.06),
        horizon=vary(rng, horizon, 0.05),
        zenith=vary(rng, zenith, 0.06),
        cloud=vary(rng, (0.92, 0.92, 0.93), 0.04)
        * np.float32(1.0 if kind < 0.65 else 0.8 if kind < 0.9 else 0.35),
        cover=cover,
        crisp=float(rng.uniform(2.0, 6.0)),
        haze=haze,
        dusk=kind >= 0.9,
        offset=int(rng.integers(TILE)),
    )
