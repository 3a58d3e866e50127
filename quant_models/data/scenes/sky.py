# SPDX-License-Identifier: Apache-2.0
"""The sky: a gradient from the horizon up, clouds on a plane far above, a glow around the sun."""

from __future__ import annotations

import numpy as np

from quant_models.data.scenes import noise
from quant_models.data.scenes.frame import Floats
from quant_models.data.scenes.weather import Weather


def sky(rays: Floats, weather: Weather) -> Floats:
    """Light [3, n] that comes along the world directions `rays` [3, n]."""
    length = np.sqrt((rays * rays).sum(axis=0))
    x, y, z = rays / length
    height = np.maximum(y, 0)
    share = np.sqrt(np.minimum(height * np.float32(1.6), 1))
    light = weather.horizon * (1 - share) + weather.zenith * share
    spread = 1 / (height + np.float32(0.12))
    cloud = noise.sample(noise.texture(), x * spread, z * spread, 60.0, weather.offset)
    cloud = np.clip((cloud - np.float32(1 - weather.cover)) * np.float32(weather.crisp), 0, 1)
    shade = noise.sample(noise.texture(), x * spread, z * spread, 110.0, weather.offset + 40)
    light += (weather.cloud * (np.float32(0.7) + shade * np.float32(0.5)) - light) * cloud
    facing = np.maximum((weather.sun[:, None] * np.stack([x, y, z])).sum(axis=0), 0)
    facing = facing * facing
    facing = facing * facing
    glow = facing * facing * np.float32(0.35) + (facing**8) * np.float32(1.5)
    total: Floats = light + weather.sunlight * glow * (1 - cloud * np.float32(0.7))
    return total
