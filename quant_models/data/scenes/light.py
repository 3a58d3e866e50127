# SPDX-License-Identifier: Apache-2.0
"""Shading in one pass over the finished frame: sun, sky, shadows, haze."""

from __future__ import annotations

import numpy as np

from quant_models.data.scenes.camera import Camera
from quant_models.data.scenes.frame import Floats, Frame
from quant_models.data.scenes.shadow import ShadowMap
from quant_models.data.scenes.sky import sky
from quant_models.data.scenes.weather import Weather

GROUND = np.float32(0.999)  # a normal this upright at a point this low is the ground


def shade(frame: Frame, camera: Camera, rays: Floats, weather: Weather, shadows: ShadowMap) -> Floats:
    """Light [3, H * W] that reaches the camera; 1.0 is about the brightest a plain exposure keeps."""
    empty = np.flatnonzero(np.isinf(frame.depth))
    depth = np.where(np.isinf(frame.depth), np.float32(0), frame.depth)
    facing = np.maximum((frame.normal * weather.sun[:, None]).sum(axis=0), 0)
    openness = np.float32(0.72) + np.float32(0.28) * frame.normal[1]
    x, y, z = (start + depth * ray for start, ray in zip(camera.origin, rays, strict=True))
    low = np.flatnonzero((np.abs(y) < 0.02) & (frame.normal[1] > GROUND))
    dark, hidden = shadows.look_up(x[low], z[low])
    facing[low] *= 1 - dark
    openness[low] *= 1 - hidden
    openness *= np.minimum(np.float32(0.8) + y * np.float32(0.1), 1)
    clear = np.exp(depth * np.float32(-weather.haze))
    light: Floats = frame.albedo * (weather.sunlight * facing + weather.ambient * openness + frame.emission)
    light = light * clear + weather.horizon * (1 - clear)
    light[:, empty] = sky(rays[:, empty], weather)
    return light
