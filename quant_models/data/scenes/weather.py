# SPDX-License-Identifier: Apache-2.0
"""What lights a scene: the sun, the sky and the air between."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np

from quant_models.data.scenes.colour import vary
from quant_models.data.scenes.frame import Floats
from quant_models.data.scenes.noise import TILE

Colour = tuple[float, float, float]


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


@dataclass(frozen=True)
class _Sky:
    """One kind of weather. `until`: share of all scenes up to and with this kind. Ranges: the sun's height in
    degrees, its power, the cover by clouds. Screen colours; `cloud`: brightness of the clouds."""

    until: float
    height: tuple[float, float]
    power: tuple[float, float]
    cover: tuple[float, float]
    cloud: float
    sun: Colour
    ambient: Colour
    horizon: Colour
    zenith: Colour


_BRIGHT = _Sky(
    0.45, (30, 70), (1.2, 1.9), (0.2, 0.6), 1.0,
    (1.0, 0.97, 0.92), (0.58, 0.62, 0.68), (0.82, 0.88, 0.94), (0.36, 0.56, 0.86),
)  # fmt: skip
_LOW_SUN = _Sky(
    0.65, (10, 28), (1.2, 2.0), (0.2, 0.55), 1.0,
    (1.0, 0.86, 0.66), (0.52, 0.54, 0.60), (0.96, 0.84, 0.68), (0.46, 0.60, 0.82),
)  # fmt: skip
_OVERCAST = _Sky(
    0.9, (30, 60), (0.0, 0.3), (0.5, 0.9), 0.8,
    (1.0, 0.98, 0.96), (0.82, 0.83, 0.85), (0.84, 0.85, 0.87), (0.72, 0.75, 0.79),
)  # fmt: skip
_DUSK = _Sky(
    1.0, (3, 10), (0.1, 0.5), (0.3, 0.7), 0.35,
    (1.0, 0.70, 0.50), (0.46, 0.46, 0.56), (0.80, 0.62, 0.56), (0.26, 0.32, 0.52),
)  # fmt: skip
_SKIES = (_BRIGHT, _LOW_SUN, _OVERCAST, _DUSK)


def random_weather(rng: np.random.Generator) -> Weather:
    """Bright day, low sun, overcast or dusk."""
    kind = rng.random()
    sky = next(sky for sky in _SKIES if kind < sky.until)
    azimuth = float(rng.uniform(-np.pi, np.pi))
    height, power, cover = (float(rng.uniform(*span)) for span in (sky.height, sky.power, sky.cover))
    up = radians(height)
    towards = np.array([sin(azimuth) * cos(up), sin(up), cos(azimuth) * cos(up)], np.float32)
    fog = rng.random()
    haze = float(rng.uniform(0.012, 0.035)) if fog < 0.12 else float(rng.uniform(0.0005, 0.005))
    return Weather(
        sun=towards,
        sunlight=vary(rng, sky.sun, 0.03) * np.float32(power),
        ambient=vary(rng, sky.ambient, 0.06),
        horizon=vary(rng, sky.horizon, 0.05),
        zenith=vary(rng, sky.zenith, 0.06),
        cloud=vary(rng, (0.92, 0.92, 0.93), 0.04) * np.float32(sky.cloud),
        cover=cover,
        crisp=float(rng.uniform(2.0, 6.0)),
        haze=haze,
        dusk=sky is _DUSK,
        offset=int(rng.integers(TILE)),
    )
