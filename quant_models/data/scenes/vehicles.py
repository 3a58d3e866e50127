# SPDX-License-Identifier: Apache-2.0
"""Cars, vans and lorries: a body and a cabin each, wheels, windows and lights painted on."""

from __future__ import annotations

import numpy as np

from quant_models.data.scenes.classes import CAR, TRUCK
from quant_models.data.scenes.colour import pick, rgb, vary
from quant_models.data.scenes.frame import Floats
from quant_models.data.scenes.solids import BACK, FRONT, TOP, Hits, Painter, Solid, Surface

PAINTS = (
    (0.88, 0.88, 0.88), (0.16, 0.16, 0.18), (0.55, 0.57, 0.60), (0.66, 0.12, 0.12), (0.16, 0.26, 0.50),
    (0.34, 0.36, 0.38), (0.74, 0.72, 0.66), (0.20, 0.36, 0.28), (0.85, 0.70, 0.20), (0.30, 0.50, 0.70),
)  # fmt: skip
TYRE, GLASS, CHROME = rgb(0.11, 0.11, 0.12), rgb(0.20, 0.24, 0.28), rgb(0.62, 0.63, 0.65)
HEADLIGHT, TAIL_LIGHT, PLATE = rgb(0.95, 0.95, 0.90), rgb(0.75, 0.08, 0.07), rgb(0.88, 0.88, 0.82)


def _body(
    label: int, size: tuple[float, float, float], paint: Floats, radius: float, lights: float
) -> Painter:
    """The lower part, on wheels of `radius` metres; `lights` > 0: switched on."""
    half, tall, length = size[0] / 2, size[1], size[2] / 2
    axles = (-length + 1.05 * radius + 0.45, length - 1.05 * radius - 0.5)
    clearance = 0.62 * radius

    def draw(hits: Hits) -> Surface:
        end = (hits.face == FRONT) | (hits.face == BACK)
        albedo = paint * (np.float32(0.75) + np.float32(0.35) * hits.y / np.float32(tall))
        near = np.minimum(np.abs(hits.z - np.float32(axles[0])), np.abs(hits.z - np.float32(axles[1])))
        hub = np.sqrt(near * near + (hits.y - np.float32(radius)) ** 2)
        wheel = ~end & (hub < radius)
        albedo[:, ~end & (hub < radius * 1.17)] *= np.float32(0.2)
        sill = hits.y < clearance + 0.1
        albedo[:, sill] *= np.float32(0.45)
        albedo[:, wheel] = TYRE
        albedo[:, ~end & (hub < radius * 0.6)] = CHROME
        inside = np.abs(hits.x)
        tyre = end & (inside > half - 0.28) & (hits.y < clearance)
        albedo[:, tyre] = TYRE
        lamp = end & (inside > half * 0.62) & (inside < half * 0.97)
        lamp &= np.abs(hits.y - np.float32(tall * 0.74)) < tall * 0.1
        albedo[:, lamp & (hits.face == FRONT)] = HEADLIGHT
        albedo[:, lamp & (hits.face == BACK)] = TAIL_LIGHT
        low = np.abs(hits.y - np.float32(tall * 0.5))
        albedo[:, end & (inside < half * 0.55) & (low < tall * 0.08) & (hits.face == FRONT)] = TYRE
        albedo[:, end & (inside < 0.26) & (low < 0.06)] = PLATE
        seam = ~end & (np.abs(hits.z - np.float32(0.1)) < 0.025) & (hits.y > clearance + 0.1)
        albedo[:, seam] *= np.float32(0.5)
        keep = (hits.y > clearance) | wheel | tyre | (hits.face == TOP)
        return Surface(label, albedo, keep, lamp.astype(np.float32) * np.float32(lights))

    return draw


def _cabin(label: int, size: tuple[float, float, float], paint: Floats, solid_back: bool) -> Painter:
    """The glazed part; `solid_back`: a van, windows only in front."""
    half, tall, length = size[0] / 2, size[1], size[2] / 2

    def draw(hits: Hits) -> Surface:
        end = (hits.face == FRONT) | (hits.face == BACK)
        band = (hits.y > tall * 0.12) & (hits.y < tall * 0.84)
        pillar = np.where(
            end, np.abs(hits.x) > half * 0.80, np.abs(np.abs(hits.z) - length * 0.38) > length * 0.36
        )
        glazed = band & ~pillar & (hits.face < TOP)
        if solid_back:
            glazed &= (hits.z > length * 0.35) & (hits.y > tall * 0.35)
        gleam = np.float32(0.6) + np.float32(1.3) * (hits.y / np.float32(tall)) ** 2
        albedo = np.where(
            glazed, GLASS * gleam, paint * (np.float32(0.85) + np.float32(0.2) * (hits.face == TOP))
        )
        return Surface(label, albedo)

    return draw


def _cargo(size: tuple[float, float, float], paint: Floats, stripe: Floats) -> Painter:
    """A lorry's box: ribs, doors and a coloured stripe."""

    def draw(hits: Hits) -> Surface:
        end = (hits.face == FRONT) | (hits.face == BACK)
        ribs = np.where(end, np.abs(hits.x) < 0.03, np.mod(hits.z, 0.8) < 0.06)
        albedo = paint * (1 - ribs * np.float32(0.3))
        albedo[:, np.abs(hits.y - np.float32(size[1] * 0.55)) < size[1] * 0.14] = stripe
        corner = (hits.face == BACK) & (np.abs(hits.x) > size[0] * 0.38) & (hits.y < 0.18)
        albedo[:, corner] = TAIL_LIGHT
        return Surface(TRUCK, albedo)

    return draw


def car(rng: np.random.Generator, x: float, z: float, yaw: float, lights: float) -> list[Solid]:
    """A hatchback, saloon, off-roader or van."""
    paint = pick(rng, PAINTS, 0.08)
    kind = rng.random()
    van, tall_car = kind < 0.15, kind < 0.35
    width, length = float(rng.uniform(1.68, 1.92)), float(rng.uniform(3.7, 4.8)) + (0.6 if van else 0.0)
    height = float(rng.uniform(0.78, 0.9)) + (0.16 if tall_car else 0.0)
    body = (width, height, length)
    roof = float(rng.uniform(0.52, 0.62)) + (0.45 if van else 0.08 if tall_car else 0.0)
    share = 0.84 if van else float(rng.uniform(0.56, 0.74))
    cabin = (width * 0.95, roof, length * share)
    shift = -length * (0.05 if van else float(rng.uniform(0.04, 0.13)))
    front, back = (0.35, 0.03) if van else (float(rng.uniform(0.7, 1.1)), float(rng.uniform(0.2, 0.9)))
    cx, cz = x + shift * float(np.sin(yaw)), z + shift * float(np.cos(yaw))
    return [
        Solid(x, z, yaw, body, _body(CAR, body, paint, 0.33, lights), lean=(0.06, 0.08, 0.06)),
        Solid(
            cx,
            cz,
            yaw,
            cabin,
            _cabin(CAR, cabin, paint, van and rng.random() < 0.6),
            height,
            (0.22, front, back),
        ),
    ]


def lorry(rng: np.random.Generator, x: float, z: float, yaw: float, lights: float) -> list[Solid]:
    """A cab in front of a cargo box, on one chassis."""
    width, length = float(rng.uniform(2.2, 2.5)), float(rng.uniform(6.0, 9.5))
    paint, box = pick(rng, PAINTS, 0.1), vary(rng, (0.80, 0.79, 0.76), 0.2)
    chassis, cab = (width, 1.0, length), (width, float(rng.uniform(1.5, 1.9)), 1.9)
    cargo = (width, float(rng.uniform(1.9, 2.7)), length - 2.2)
    s, c = float(np.sin(yaw)), float(np.cos(yaw))
    ahead, behind = length / 2 - 0.95, -1.1
    return [
        Solid(x, z, yaw, chassis, _body(TRUCK, chassis, paint * np.float32(0.6), 0.5, lights)),
        Solid(
            x + ahead * s, z + ahead * c, yaw, cab, _cabin(TRUCK, cab, paint, False), 1.0, (0.03, 0.12, 0.0)
        ),
        Solid(x + behind * s, z + behind * c, yaw, cargo, _cargo(cargo, box, pick(rng, PAINTS, 0.1)), 1.0),
    ]
