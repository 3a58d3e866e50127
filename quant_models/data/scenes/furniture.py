# SPDX-License-Identifier: Apache-2.0
"""Poles, street lamps and traffic signs."""

from __future__ import annotations

import numpy as np

from quant_models.data.scenes.classes import POLE, SIGN
from quant_models.data.scenes.colour import pick, rgb, vary
from quant_models.data.scenes.frame import Floats
from quant_models.data.scenes.sprites import Figure, Sprite, segment

STEEL = ((0.46, 0.47, 0.48), (0.60, 0.61, 0.62), (0.24, 0.26, 0.26), (0.34, 0.30, 0.26), (0.22, 0.32, 0.28))
RED, WHITE, BLUE, YELLOW = (
    rgb(0.80, 0.10, 0.10),
    rgb(0.92, 0.92, 0.90),
    rgb(0.10, 0.28, 0.68),
    rgb(0.94, 0.78, 0.14),
)
BLACK, GREEN = rgb(0.08, 0.08, 0.08), rgb(0.10, 0.45, 0.28)
FEWEST = 0.95  # half the width of a pole in pixels, at least: thinner ones no network at this size can see


def pole(rng: np.random.Generator, x: float, z: float, lit: float) -> Sprite:
    """A plain pole or bollard, or a lamp with one arm; `lit` > 0: it shines."""
    lamp = rng.random() < 0.6
    tall = float(rng.uniform(4.5, 8.5)) if lamp or rng.random() < 0.6 else float(rng.uniform(0.9, 3.0))
    radius, steel = float(rng.uniform(0.06, 0.13)), pick(rng, STEEL, 0.12)
    arm = float(rng.choice([-1.0, 1.0])) * float(rng.uniform(0.6, 1.9)) if lamp else 0.0

    def paint(u: Floats, v: Floats, pixel: float) -> Figure:
        half = max(radius, FEWEST * pixel)
        keep = segment(u, v, (0, 0), (0, tall)) < half
        head = np.zeros(u.size, bool)
        if lamp:
            keep |= segment(u, v, (0, tall), (arm, tall + 0.25)) < max(0.05, 0.7 * pixel)
            head = segment(u, v, (arm * 0.75, tall + 0.22), (arm, tall + 0.22)) < max(0.12, 0.8 * pixel)
        albedo = np.repeat(steel, u.size, axis=1)
        albedo[:, head] = rgb(0.85, 0.82, 0.72)
        tilt = np.clip(u / np.float32(half), -0.95, 0.95)
        glow = head.astype(np.float32) * np.float32(lit)
        return Figure((keep | head) & (v > 0), POLE, albedo, tilt=(tilt, np.zeros_like(tilt)), emission=glow)

    return Sprite(x, z, abs(arm) + 0.3, tall + 0.5, paint)


def sign(rng: np.random.Generator, x: float, z: float) -> Sprite:
    """A plate on a pole: round, triangular, square, a diamond or a wide board, in the colours of its kind."""
    shape = int(rng.integers(5))
    size = float(rng.uniform(0.36, 0.6))
    middle = float(rng.uniform(2.2, 3.0))
    steel, radius = pick(rng, STEEL, 0.1), float(rng.uniform(0.045, 0.08))
    rim, face = ((RED, WHITE), (RED, WHITE), (WHITE, BLUE), (WHITE, YELLOW), (WHITE, GREEN))[shape]
    if shape == 0 and rng.random() < 0.4:
        rim, face = (BLUE, BLUE) if rng.random() < 0.5 else (RED, RED)
    glyph = BLACK if float(face.sum()) > 1.0 else WHITE
    back = vary(rng, (0.55, 0.56, 0.57), 0.1)
    turned = rng.random() < 0.12

    def paint(u: Floats, v: Floats, pixel: float) -> Figure:
        a, b = u / np.float32(size), (v - np.float32(middle)) / np.float32(size)
        if shape == 0:
            edge = np.sqrt(a * a + b * b)
        elif shape == 1:
            edge = np.maximum(np.abs(a) * np.float32(1.15) + b * np.float32(0.66), -b * np.float32(1.5))
        elif shape == 3:
            edge = np.abs(a) * np.float32(0.8) + np.abs(b) * np.float32(0.8)
        else:
            edge = np.maximum(
                np.abs(a) / np.float32(1.0 if shape == 2 else 1.9), np.abs(b) / np.float32(0.95)
            )
        plate = edge < 1
        stem = (np.abs(u) < max(radius, FEWEST * pixel)) & (v < middle + size) & (v > 0)
        albedo = np.repeat(steel, u.size, axis=1)
        albedo[:, plate] = back if turned else rim
        if not turned:
            albedo[:, edge < 0.76] = face
            albedo[:, (edge < 0.6) & (np.abs(a - b * np.float32(0.3)) < 0.16)] = glyph
        label = np.where(plate, SIGN, POLE).astype(np.uint8)
        return Figure(plate | stem, label, albedo)

    return Sprite(x, z, size * 2, middle + size * 1.3, paint)
