# SPDX-License-Identifier: Apache-2.0
"""Houses, walls and hedges along the street."""

from __future__ import annotations

import numpy as np

from quant_models.data.scenes import noise
from quant_models.data.scenes.classes import BUILDING, VEGETATION, WALL
from quant_models.data.scenes.colour import pick, rgb, vary
from quant_models.data.scenes.solids import BACK, FRONT, TOP, Hits, Painter, Solid, Surface
from quant_models.data.scenes.street import Street

PLASTER = (
    (0.78, 0.72, 0.62), (0.70, 0.46, 0.36), (0.62, 0.60, 0.58), (0.82, 0.78, 0.72), (0.58, 0.36, 0.30),
    (0.72, 0.64, 0.46), (0.50, 0.54, 0.58), (0.66, 0.58, 0.54), (0.44, 0.40, 0.38), (0.84, 0.70, 0.52),
)  # fmt: skip
ROOFS = ((0.50, 0.28, 0.22), (0.32, 0.32, 0.34), (0.42, 0.34, 0.28))


def facade(rng: np.random.Generator, height: float, night: float) -> Painter:
    """Rows of windows over a ground floor with doors or shop fronts. `night`: share of lit windows."""
    wall, trim, roof = pick(rng, PLASTER, 0.12), vary(rng, (0.75, 0.73, 0.70), 0.15), pick(rng, ROOFS, 0.1)
    glass, door = vary(rng, (0.26, 0.30, 0.36), 0.25), vary(rng, (0.34, 0.26, 0.22), 0.3)
    base = wall * np.float32(rng.uniform(0.4, 1.1))
    storey, pitch = float(rng.uniform(2.7, 3.8)), float(rng.uniform(1.7, 4.2))
    wide, tall = float(rng.uniform(0.34, 0.72)), float(rng.uniform(0.4, 0.68))
    if rng.random() < 0.15:  # a glass front
        wide, tall = 0.9, 0.82
    shop = rng.random() < 0.5
    brick, offset = rng.random() < 0.4, int(rng.integers(noise.TILE))
    blind = rng.random() < 0.1  # a side without windows at all

    def paint(hits: Hits) -> Surface:
        along = np.where((hits.face == FRONT) | (hits.face == BACK), hits.x, hits.z)
        albedo = np.repeat(wall, along.size, axis=1)
        a, b = along / np.float32(pitch), hits.y / np.float32(storey)
        ia, ib = np.floor(a).astype(np.int32), np.floor(b).astype(np.int32)
        u, v = np.abs(a - ia - np.float32(0.5)), np.abs(b - ib - np.float32(0.52))
        fading = 1 / (1 + (hits.depth * np.float32(0.05)) ** 2)
        stain = noise.sample(noise.texture(), along, hits.y, 22.0, offset) - np.float32(0.5)
        grain = 1 + stain * np.float32(0.5)
        if brick:
            row = np.floor(hits.y * 9).astype(np.int32)
            stone = np.floor(along * 4 + (row & 1) * np.float32(0.5)).astype(np.int32)
            grain += (noise.cell(stone, row, offset) - np.float32(0.5)) * fading * np.float32(0.5)
        albedo[:, (b - ib > 0.95) & (ib < 12)] = trim * np.float32(0.8)
        ground = ib == 0
        albedo[:, ground] = base
        window = (u < wide / 2) & (v < tall / 2) & (hits.y < height - 0.5)
        framed = (u < wide / 2 + 0.045) & (v < tall / 2 + 0.04) & ~window & (hits.y < height - 0.5)
        chance = noise.cell(ia, ib, offset)
        if shop:
            window = np.where(ground, (u < 0.46) & (v < 0.36), window)
            framed = np.where(ground, v > 0.4, framed)
        entrance = ground & (noise.cell(ia, ib, offset + 1) < 0.3) & (u < 0.2) & (b < 0.72)
        if blind:
            side = (hits.face == FRONT) | (hits.face == BACK)
            window, framed = window & ~side, framed & ~side
        albedo[:, framed] = trim
        shine = glass * (np.float32(0.6) + chance) * (1 + (v - np.float32(0.2)) * np.float32(1.2))
        curtain = chance > 0.85
        albedo = np.where(window, np.where(curtain, trim * np.float32(0.7), shine), albedo * grain)
        albedo[:, window & ((u < 0.02) | (np.abs(v - tall / 6) < 0.012))] = trim[:, :] * np.float32(0.6)
        albedo[:, entrance] = door
        top = hits.face >= TOP
        albedo[:, top] = roof * np.maximum(
            grain[top] - (np.mod(hits.y[top], 0.4) < 0.1) * np.float32(0.3), 0.2
        )
        lit = window & (chance < night) & ~top
        albedo[:, lit] = rgb(0.98, 0.85, 0.55)
        return Surface(BUILDING, albedo, emission=lit.astype(np.float32) * np.float32(1.3))

    return paint


def fence(rng: np.random.Generator, tall: float) -> Painter:
    """A wall of concrete, stone or planks with a coping."""
    body, cap = vary(rng, (0.58, 0.54, 0.50), 0.3), vary(rng, (0.66, 0.64, 0.62), 0.15)
    length, course = float(rng.uniform(0.15, 2.5)), float(rng.choice([0.2, 0.4, 3.0]))
    offset = int(rng.integers(noise.TILE))

    def paint(hits: Hits) -> Surface:
        along = hits.x + hits.z
        a, b = along / np.float32(length), hits.y / np.float32(course)
        ia, ib = np.floor(a).astype(np.int32), np.floor(b).astype(np.int32)
        fading = 1 / (1 + (hits.depth * np.float32(0.06)) ** 2)
        stain = noise.sample(noise.texture(), along, hits.y, 40.0, offset) - np.float32(0.5)
        grain = 1 + stain + (noise.cell(ia, ib, offset) - np.float32(0.5)) * fading * np.float32(0.5)
        grain *= 1 - ((a - ia < 0.08) | (b - ib < 0.08)) * fading * np.float32(0.4)
        return Surface(WALL, np.where(hits.y > tall - 0.12, cap, body * grain))

    return paint


def hedge(rng: np.random.Generator, tall: float) -> Painter:
    """A clipped hedge with a ragged edge."""
    leaf, offset = vary(rng, (0.24, 0.36, 0.16), 0.2), int(rng.integers(noise.TILE))

    def paint(hits: Hits) -> Surface:
        along = hits.x + hits.z
        rough = noise.sample(noise.texture(), along, hits.y, 70.0, offset)
        dots = noise.sample(noise.white(), along, hits.y, 14.0, offset)
        albedo = leaf * (np.float32(0.25) + rough + dots * np.float32(0.6))
        return Surface(VEGETATION, albedo, keep=hits.y < tall * (np.float32(0.72) + rough * np.float32(0.5)))

    return paint


def houses(rng: np.random.Generator, street: Street, night: float) -> list[Solid]:
    """Both sides of the street, from behind the camera to the horizon, and what closes the view."""
    found: list[Solid] = []
    town = float(rng.uniform(0.0, 1.0))  # 0: cottages with gaps, 1: closed rows of tall houses
    for side in (-1, 1):
        open_side = rng.random() < 0.15
        z = float(rng.uniform(-14.0, -4.0))
        while z < 110:
            length = float(rng.uniform(7, 13 + 14 * town))
            gap = float(rng.uniform(0, 1.5)) if rng.random() < town else float(rng.uniform(2, 12))
            if street.in_crossing(z, z + length):
                z += 2.0
                continue
            height = float(rng.uniform(3.5, 7) + town * rng.uniform(2, 15))
            depth = float(rng.uniform(7, 14))
            back = street.front + float(rng.uniform(0.0, 0.6) if town > 0.5 else rng.uniform(1.0, 7.0))
            if not (open_side and rng.random() < 0.75):
                x, middle = street.place(side * (back + depth / 2), z + length / 2)
                ridge = float(rng.uniform(0.5, 1.1)) if rng.random() > town + 0.1 else 0.0
                total = height + ridge * depth / 2
                painter = facade(rng, height, night)
                found.append(
                    Solid(x, middle, street.heading(middle), (depth, total, length), painter, ridge=ridge)
                )
            if back - street.front > 0.9 and rng.random() < 0.75:
                found.append(_border(rng, street, side, z, length + gap))
            z += length + gap
    end = street.centre(118.0)
    for _ in range(int(rng.integers(2, 6))):  # the skyline behind the street
        tall = float(rng.uniform(6, 26))
        x = end + float(rng.normal(0, 50))
        found.append(Solid(x, float(rng.uniform(112, 150)), 0.0, (30.0, tall, 8.0), facade(rng, tall, night)))
    return found


def _border(rng: np.random.Generator, street: Street, side: int, z: float, length: float) -> Solid:
    """A garden wall or hedge at the back of the pavement."""
    x, middle = street.place(side * (street.front + 0.3), z + length / 2)
    tall = float(rng.uniform(0.7, 2.2))
    green = rng.random() < 0.4
    painter = hedge(rng, tall) if green else fence(rng, tall)
    return Solid(x, middle, street.heading(middle), (0.7 if green else 0.25, tall, length), painter)
