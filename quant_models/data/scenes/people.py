# SPDX-License-Identifier: Apache-2.0
"""Pedestrians: a head, a torso, two arms and two legs in a stride."""

from __future__ import annotations

import numpy as np

from quant_models.data.scenes.classes import PERSON
from quant_models.data.scenes.colour import pick, vary
from quant_models.data.scenes.frame import Floats
from quant_models.data.scenes.sprites import Figure, Sprite, segment

CLOTHES = (
    (0.20, 0.22, 0.28), (0.62, 0.16, 0.16), (0.80, 0.80, 0.78), (0.24, 0.36, 0.58), (0.34, 0.30, 0.26),
    (0.86, 0.72, 0.24), (0.26, 0.42, 0.30), (0.55, 0.36, 0.56), (0.12, 0.12, 0.13), (0.90, 0.50, 0.24),
)  # fmt: skip
SKIN = ((0.86, 0.68, 0.56), (0.66, 0.48, 0.38), (0.42, 0.29, 0.23))
HAIR = ((0.14, 0.11, 0.10), (0.40, 0.28, 0.18), (0.70, 0.60, 0.42), (0.55, 0.54, 0.53))


def person(rng: np.random.Generator, x: float, z: float) -> Sprite:
    """An adult or a child, facing any way; seen from the side the torso is narrower and the stride wider."""
    tall = float(rng.normal(1.72, 0.09)) if rng.random() < 0.85 else float(rng.uniform(1.05, 1.4))
    sideways = float(rng.random())
    stride = float(rng.uniform(0.02, 0.06 + 0.13 * sideways)) * tall
    broad = (0.155 - 0.05 * sideways) * tall * float(rng.uniform(0.85, 1.15))
    hip, neck = 0.49 * tall, 0.83 * tall
    swing = stride * float(rng.uniform(0.3, 1.0)) + broad * 0.9
    shirt, trousers = pick(rng, CLOTHES, 0.15), pick(rng, CLOTHES, 0.2)
    skin, hair = pick(rng, SKIN, 0.06), pick(rng, HAIR, 0.1)
    skirt, bag = rng.random() < 0.2, rng.random() < 0.3
    bag_colour, bag_side = vary(rng, (0.35, 0.25, 0.22), 0.4), float(rng.choice([-1.0, 1.0]))
    leg, arm = 0.052 * tall, 0.036 * tall

    def paint(u: Floats, v: Floats, pixel: float) -> Figure:
        albedo = np.repeat(trousers, u.size, axis=1)
        thin = max(leg, 0.6 * pixel)
        knee = 0.27 * tall
        keep = np.zeros(u.size, bool)
        for sign in (-1.0, 1.0):
            foot = (sign * stride, 0.02)
            joint = (sign * stride * 0.45 + 0.03, knee)
            limb = (segment(u, v, (sign * broad * 0.35, hip), joint) < thin * 1.15) | (
                segment(u, v, joint, foot) < thin * 0.85
            )
            keep |= limb
            albedo[:, limb & (v < 0.07)] *= np.float32(0.3)
        if skirt:
            cloth = (
                (v > 0.3 * tall)
                & (v < hip)
                & (np.abs(u) < broad * (1.35 - 0.5 * (v - 0.3 * tall) / (0.19 * tall)))
            )
            keep |= cloth
        for sign in (-1.0, 1.0):
            hand = (sign * swing, 0.45 * tall)
            away = segment(u, v, (sign * broad * 0.85, neck - 0.03 * tall), hand)
            limb = away < max(arm, 0.5 * pixel)
            keep |= limb
            albedo[:, limb] = shirt * np.float32(0.8)
            albedo[:, limb & (v < 0.48 * tall)] = skin
        slope = np.float32(broad) * (np.float32(0.78) + np.float32(0.3) * (v - hip) / (neck - hip))
        torso = (np.abs(u) < slope) & (v > hip - 0.02 * tall) & (v < neck)
        keep |= torso
        albedo[:, torso] = shirt
        throat = segment(u, v, (0, neck), (0, 0.88 * tall)) < 0.03 * tall
        head = (u / (0.058 * tall)) ** 2 + ((v - 0.925 * tall) / (0.075 * tall)) ** 2 < 1
        keep |= head | throat
        albedo[:, head | throat] = skin
        albedo[:, head & (v > 0.945 * tall)] = hair
        if bag:
            packed = (np.abs(u - bag_side * broad) < 0.08 * tall) & (np.abs(v - 0.55 * tall) < 0.09 * tall)
            keep |= packed
            albedo[:, packed] = bag_colour
        tilt = np.clip(u / np.float32(broad * 1.6), -0.9, 0.9)
        return Figure(keep, PERSON, albedo, tilt=(tilt, np.zeros_like(tilt)))

    return Sprite(x, z, broad * 2.2 + stride, tall * 1.02, paint)
