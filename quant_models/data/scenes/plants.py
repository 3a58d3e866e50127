# SPDX-License-Identifier: Apache-2.0
"""Trees and bushes: noisy clouds of leaves, on a trunk or on the ground."""

from __future__ import annotations

import numpy as np

from quant_models.data.scenes import noise
from quant_models.data.scenes.classes import VEGETATION
from quant_models.data.scenes.colour import pick, vary
from quant_models.data.scenes.frame import Floats
from quant_models.data.scenes.sprites import Figure, Sprite, segment

LEAVES = (
    (0.26, 0.40, 0.16), (0.36, 0.46, 0.20), (0.18, 0.32, 0.18),
    (0.46, 0.46, 0.18), (0.58, 0.42, 0.16), (0.30, 0.38, 0.26),
)  # fmt: skip


def plant(rng: np.random.Generator, x: float, z: float, trunk: float, radius: float) -> Sprite:
    """A crown of about `radius` metres on a trunk of `trunk` metres; 0: a bush."""
    leaf, bark = pick(rng, LEAVES, 0.12), vary(rng, (0.34, 0.28, 0.22), 0.15)
    conifer = trunk > 0 and rng.random() < 0.15
    stretch = float(rng.uniform(0.8, 1.4)) if trunk else float(rng.uniform(0.5, 0.9))
    middle = trunk + radius * stretch * 0.8
    blobs = [(0.0, middle, radius * 0.8)]
    for _ in range(int(rng.integers(3, 6))):
        turn = float(rng.uniform(0, 2 * np.pi))
        reach = radius * float(rng.uniform(0.35, 0.65))
        blobs.append(
            (
                reach * float(np.cos(turn)),
                middle + reach * stretch * float(np.sin(turn)),
                radius * float(rng.uniform(0.35, 0.6)),
            )
        )
    thick = max(0.07 * radius + 0.04, 0.08)
    lean = float(rng.normal(0, 0.15))
    offset, scale = int(rng.integers(noise.TILE)), float(rng.uniform(28.0, 50.0))
    ragged, airy = float(rng.uniform(0.5, 1.1)), float(rng.uniform(0.0, 0.22))
    top = middle + radius * stretch * 1.15 + 0.3

    def paint(u: Floats, v: Floats, pixel: float) -> Figure:
        solid = np.full(u.size, -9.0, np.float32)
        if conifer:
            room = np.float32(radius * 0.7) * (1 - (v - trunk * 0.5) / np.float32(top - trunk * 0.5))
            solid = np.where(v > trunk * 0.5, 1 - (u / np.maximum(room, 0.01)) ** 2, solid).astype(np.float32)
        else:
            for bu, bv, r in blobs:
                dv = (v - np.float32(bv)) / np.float32(stretch if trunk else 1.0)
                np.maximum(
                    solid, 1 - ((u - np.float32(bu)) ** 2 + dv * dv) * np.float32(1 / (r * r)), out=solid
                )
        rough = noise.sample(noise.texture(), u, v, scale, offset)
        dots = noise.sample(noise.white(), u, v, min(9.0, 0.7 / pixel), offset)
        holes = noise.sample(noise.texture(), u, v, scale * 1.7, offset + 99) - np.float32(0.25)
        leafy = solid + (rough - np.float32(0.55)) * np.float32(ragged * 2) > (holes < airy) * np.float32(1.2)
        crown = np.sqrt(np.clip(solid, 0, 1))
        albedo = (
            leaf
            * (np.float32(0.3) + rough * np.float32(0.9) + dots * np.float32(0.45))
            * (np.float32(0.55) + crown * np.float32(0.45))
        )
        wood = (
            segment(u, v, (0, 0), (lean, middle)) < max(thick, 0.9 * pixel)
            if trunk
            else np.zeros(u.size, bool)
        )
        if trunk and not conifer:
            wood |= segment(u, v, (lean * 0.7, trunk * 0.8), (-radius * 0.5, middle)) < thick * 0.6
            wood |= segment(u, v, (lean * 0.8, trunk * 0.9), (radius * 0.5, middle)) < thick * 0.6
        only_wood = wood & ~leafy
        albedo[:, only_wood] = bark * (np.float32(0.7) + rough[only_wood] * np.float32(0.6))
        bump = np.where(leafy, crown * np.float32(0.6 * radius), np.float32(0))
        tilt_v = np.clip((v - np.float32(middle)) / np.float32(radius * 1.3), -0.7, 0.7) + (
            rough - np.float32(0.5)
        )
        tilt_u = np.clip(u / np.float32(radius * 1.3), -0.7, 0.7) + (dots - np.float32(0.5)) * np.float32(0.4)
        tilt = (
            np.where(only_wood, 0, tilt_u * np.float32(0.8)),
            np.where(only_wood, 0, tilt_v * np.float32(0.8)),
        )
        keep = (leafy | wood) & (v > 0)
        return Figure(
            keep, VEGETATION, albedo, bump, (tilt[0].astype(np.float32), tilt[1].astype(np.float32))
        )

    return Sprite(x, z, radius * 1.25 + 0.3, top, paint)
